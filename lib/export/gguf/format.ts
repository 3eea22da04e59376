import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { modelCard, promptLines, type ModelFacts } from '../../model/save/card';
import { factsOf } from '../../model/save/save';
import type { OpenedModel } from '../../model/types';
import type { ExportJob, Format } from '../format';
import type { EncoderPlan, TransformerPlan } from '../plans';
import { bert } from './bert';
import { writeGguf, type Field } from './file';
import { gemmaEmbedding } from './gemma-embedding';
import { KINDS, refusal, type GgufModel } from './model';
import { modernBert } from './modernbert';
import { nomicBert } from './nomic-bert';
import { qwen } from './qwen';
import { composes, tokenizerFields } from './tokenizer';

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
  async notes(opened) {
    const notes: string[] = [];
    if (opened.dimension < opened.width)
      notes.push(`llama.cpp gives all ${opened.width} numbers of a vector; take the first ${opened.dimension}.`);
    if (!opened.layout.includePrompt)
      notes.push("The model's pooling leaves a prompt's tokens out, and llama.cpp's pools them too.");
    if (await composes(opened))
      notes.push("llama.cpp takes texts as they come; the model's tokenizer brings them into the form NFC before.");
    return notes;
  },
};

/** Architectures that llama.cpp has beside BERT and its like. */
const OWN: Readonly<Record<string, (opened: OpenedModel, plan: TransformerPlan) => GgufModel>> = {
  modernbert: modernBert,
  nomic_bert: nomicBert,
  qwen2: qwen,
  qwen3: qwen,
  gemma3_text: gemmaEmbedding,
};

/** @throws ModelError ERR_EXPORT: there is none */
function ggufModel(opened: OpenedModel, plan: EncoderPlan): GgufModel {
  const { architecture } = opened.spec.encoder;
  if (plan.kind === 'transformer') {
    const own = OWN[architecture];
    if (own !== undefined) return own(opened, plan);
    if (plan.positions !== 'rotary') return bert(opened, plan);
  }
  throw refusal(opened, `llama.cpp has no ${architecture}`);
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
