import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { modelCard, promptLines, type ModelFacts } from '../../model/save/card';
import { factsOf } from '../../model/save/save';
import type { OpenedModel } from '../../model/types';
import type { ExportJob, Format } from '../format';
import type { EncoderPlan } from '../plans';
import { bert } from './bert';
import { writeGguf, type Field } from './file';
import { gemmaEmbedding } from './gemma-embedding';
import { KINDS, refusal, type GgufModel } from './model';
import { qwen3 } from './qwen3';
import { tokenizerFields } from './tokenizer';

/** One file for llama.cpp and what is built on it, and a model card. */
export const GGUF: Format = {
  name: 'GGUF',
  replaces: {
    what: 'a GGUF export',
    holds: 'an export',
    is: (names) => names.some((name) => name.endsWith('.gguf')),
    entries: [/\.gguf$/, /^(README\.md|LICENSE|\.gitattributes|\.DS_Store|Thumbs\.db)$/],
  },
  async prepare(opened, plan) {
    const model = ggufModel(opened, plan);
    const tokenizer = await tokenizerFields(opened);
    return (job) => write(job, model, new Map([...model.fields, ...tokenizer]));
  },
  keepsModules: () => false,
  notes(opened) {
    const notes: string[] = [];
    if (opened.dimension < opened.width)
      notes.push(`llama.cpp gives all ${opened.width} numbers of a vector; take the first ${opened.dimension}.`);
    if (!opened.layout.includePrompt)
      notes.push("The model's pooling leaves a prompt's tokens out, and llama.cpp's pools them too.");
    if (opened.spec.encoder.architecture === 'qwen3')
      notes.push("llama.cpp takes texts as they come; the model's tokenizer brings them into the form NFC before.");
    return notes;
  },
};

/** @throws ModelError ERR_EXPORT: there is none */
function ggufModel(opened: OpenedModel, plan: EncoderPlan): GgufModel {
  const { architecture } = opened.spec.encoder;
  if (plan.kind === 'transformer') {
    if (architecture === 'qwen3') return qwen3(opened, plan);
    if (architecture === 'gemma3_text') return gemmaEmbedding(opened, plan);
    if (plan.positions !== 'rotary') return bert(opened, plan);
  }
  throw refusal(
    opened,
    `vectune writes BERT and its like, Qwen3 and EmbeddingGemma as GGUF, and no ${architecture} yet`,
  );
}

async function write(job: ExportJob, model: GgufModel, fields: ReadonlyMap<string, Field>): Promise<string[]> {
  const { opened, precisions, folder, weights, card, onBytes } = job;
  const files: string[] = [];
  for (const precision of precisions) {
    const { type, file: kind } = KINDS[precision];
    const file = `${fileName(opened)}-${type}.gguf`;
    const tensors = model.tensors(weights, precision);
    const own = new Map<string, Field>([...fields, ['general.file_type', { u32: kind }]]);
    await writeGguf(join(folder, file), own, tensors, (written, total) => onBytes(file, written, total));
    files.push(file);
  }
  const facts = factsOf(opened);
  await writeFile(join(folder, 'README.md'), modelCard(facts, card, usage(opened, facts, files[0]!)), { flag: 'wx' });
  return files;
}

function fileName({ id }: OpenedModel): string {
  return basename(id).replaceAll(/[^\w.-]+/g, '-') || 'model';
}

function usage({ spec }: OpenedModel, facts: ModelFacts, file: string): string {
  const approximates = spec.encoder.hiddenActivation === 'gelu';
  return [
    'With llama.cpp:',
    '',
    '```sh',
    `llama-server --embeddings -m ${file}   # POST /v1/embeddings`,
    `llama-embedding -m ${file} -p 'How old are you?'`,
    '```',
    '',
    `Its vectors have length 1.${approximates ? ' Its GELU is the approximation by tanh: the cosine to the vectors of the model is some 0.99999.' : ''}`,
    ...promptLines(facts),
  ].join('\n');
}
