import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../../../lib/model/architectures';
import { readJson, setFields, writeJson, type Json } from './fixture';

/** Turns a folder of the 2.x layout, which the fixtures have, into those of other releases of sentence-transformers. */

export interface ModuleEntry {
  idx: number;
  name: string;
  path: string;
  type: string;
  [more: string]: unknown;
}

export function readModules(folder: string): ModuleEntry[] {
  return readJson<ModuleEntry[]>(folder, 'modules.json');
}

export function changeModules(folder: string, change: (entry: ModuleEntry, index: number) => ModuleEntry): void {
  writeJson(readModules(folder).map(change), folder, 'modules.json');
}

/** Moves the encoder's files, which lie at the root, into a folder of their own. */
export function moveEncoder(folder: string, path: string): void {
  const modules = readModules(folder);
  const stay = new Set(['modules.json', 'config_sentence_transformers.json', ...modules.map((entry) => entry.path)]);
  const names = readdirSync(folder).filter((name) => !stay.has(name));
  mkdirSync(join(folder, path), { recursive: true });
  for (const name of names) renameSync(join(folder, name), join(folder, path, name));
  changeModules(folder, (entry, i) => (i === 0 ? { ...entry, path } : entry));
}

/** What a tokenizer can be made of without a tokenizer.json. */
const VOCABULARIES = ['vocab.txt', 'vocab.json', 'merges.txt', 'sentencepiece.bpe.model'];

/** 0.4.1: `0_Transformer`, a limit named after the architecture, tokenizers as vocabularies, no `model_type`. */
export function toEra04(folder: string, architecture: Architecture): string {
  moveEncoder(folder, '0_Transformer');
  const encoder = join(folder, '0_Transformer');
  const named = ['roberta', 'distilbert', 'xlm-roberta'].includes(architecture);
  const limit = named ? `sentence_${architecture}_config.json` : 'sentence_bert_config.json';
  if (named) renameSync(join(encoder, 'sentence_bert_config.json'), join(encoder, limit));
  rmSync(join(folder, 'config_sentence_transformers.json'));
  if (VOCABULARIES.some((name) => existsSync(join(encoder, name)))) rmSync(join(encoder, 'tokenizer.json'));
  setFields({ model_max_length: undefined, max_len: 512 }, encoder, 'tokenizer_config.json');
  setFields({ model_type: undefined }, encoder, 'config.json');
  writeJson({ __version__: '0.4.1' }, folder, 'config.json');
  return folder;
}

const NEW_TYPES: Record<string, string> = {
  Transformer: 'sentence_transformers.base.modules.transformer.Transformer',
  Pooling: 'sentence_transformers.sentence_transformer.modules.pooling.Pooling',
  Dense: 'sentence_transformers.base.modules.dense.Dense',
  LayerNorm: 'sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm',
};

/** The names that 5.4 and later give to pooling modes, in the order of concatenation. */
const POOLINGS: [string, string][] = [
  ['pooling_mode_cls_token', 'cls'],
  ['pooling_mode_max_tokens', 'max'],
  ['pooling_mode_mean_tokens', 'mean'],
  ['pooling_mode_mean_sqrt_len_tokens', 'mean_sqrt_len_tokens'],
  ['pooling_mode_weightedmean_tokens', 'weightedmean'],
  ['pooling_mode_lasttoken', 'lasttoken'],
];

const NAMES = { module_input_name: 'sentence_embedding', module_output_name: 'sentence_embedding' };

/** 5.4 to 5.7 and 6: new class names and keys, the limit in the tokenizer's configuration, tokenizer.json alone. */
export function toNewEra(folder: string, release: '5.4' | '6.0'): string {
  const normalize =
    release === '5.4'
      ? 'sentence_transformers.sentence_transformer.modules.normalize.Normalize'
      : 'sentence_transformers.base.modules.normalize.Normalize';
  changeModules(folder, (entry) => {
    const kind = entry.type.split('.').at(-1)!;
    const config = join(folder, entry.path, 'config.json');
    if (kind === 'Pooling') {
      const old = readJson(config);
      const modes = POOLINGS.filter(([key]) => old[key] === true).map(([, name]) => name);
      const dimension = old['word_embedding_dimension'];
      const mode = modes.length === 1 ? modes[0] : modes;
      writeJson({ embedding_dimension: dimension, pooling_mode: mode, include_prompt: true }, config);
    }
    if (kind === 'Dense') setFields(NAMES, config);
    if (kind === 'Normalize' && release === '6.0') {
      mkdirSync(join(folder, entry.path), { recursive: true });
      writeJson(NAMES, config);
    }
    return { ...entry, type: kind === 'Normalize' ? normalize : NEW_TYPES[kind]! };
  });
  writeJson(
    {
      transformer_task: 'feature-extraction',
      modality_config: { text: { method: 'forward', method_output_name: 'last_hidden_state' } },
      module_output_name: 'token_embeddings',
    },
    folder,
    'sentence_bert_config.json',
  );
  writeJson(
    {
      __version__: { sentence_transformers: release, transformers: '5.0.0', pytorch: '2.11.0' },
      default_prompt_name: null,
      model_type: 'SentenceTransformer',
      prompts: { query: '', document: '' },
      similarity_fn_name: 'cosine',
    },
    folder,
    'config_sentence_transformers.json',
  );
  setFields({ tokenizer_class: 'TokenizersBackend' }, folder, 'tokenizer_config.json');
  for (const name of ['special_tokens_map.json', ...VOCABULARIES]) {
    rmSync(join(folder, name), { force: true });
  }
  return folder;
}

/** Adds a Normalize as last module; its folder is not made. */
export function addNormalize(folder: string, type: string): string {
  const modules = readModules(folder);
  const path = `${modules.length}_Normalize`;
  const entry: Json = { idx: modules.length, name: String(modules.length), path, type };
  writeJson([...modules, entry], folder, 'modules.json');
  return path;
}
