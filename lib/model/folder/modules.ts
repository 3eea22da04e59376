import { realpath } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import { show } from '../../system/options';
import { ModelError } from '../../system/errors';
import { isObject, readJson } from '../../system/json';
import { say } from '../../system/wording';
import { ARCHITECTURES } from '../architectures';
import { readModelConfig } from './sentence-config';

export type ModuleKind = 'transformer' | 'static' | 'pooling' | 'dense' | 'layer_norm' | 'normalize' | 'dropout';

/** One entry of modules.json. */
export interface FolderModule {
  kind: ModuleKind;
  /** The module's own folder. */
  folder: string;
}

const KINDS: Record<string, ModuleKind> = {
  Transformer: 'transformer',
  ...Object.fromEntries(
    Object.values(ARCHITECTURES).flatMap(({ formerModule }) =>
      formerModule === null ? [] : [[formerModule, 'transformer' as const]],
    ),
  ),
  StaticEmbedding: 'static',
  Pooling: 'pooling',
  Dense: 'dense',
  LayerNorm: 'layer_norm',
  Normalize: 'normalize',
  Dropout: 'dropout',
};

const SPARSE = 'It gives a weight for each word of a vocabulary (SPLADE), and no vector to compare by the cosine.';
const ENCODERS =
  'It holds an encoder for each kind of text. Save the one that is wanted with Python ' +
  "(SentenceTransformer(modules=model[0].sub_modules['document']).save(…)) and open that folder.";
const WORDS = 'Its texts are split into words by code of its own. Choose an encoder, or a StaticEmbedding for speed.';
const TOKENS = 'It gives a vector for each token (ColBERT), and not one for a text.';

/** What to know of a module of sentence-transformers that is not run. */
const OTHERS: Record<string, string> = {
  Asym: ENCODERS,
  Router: ENCODERS,
  BoW: WORDS,
  WordEmbeddings: WORDS,
  WordWeights: WORDS,
  CNN: 'It is a network between the tokens and their pooling. Choose a model that has none.',
  LSTM: 'It is a network between the tokens and their pooling. Choose a model that has none.',
  WeightedLayerPooling: 'It mixes the layers of the encoder. Choose a model that takes the last one.',
  CLIPModel:
    'It is for images too. Choose a model of texts: that of sentence-transformers/clip-ViT-B-32-multilingual-v1 gives ' +
    'vectors for the images of clip-ViT-B-32.',
  LogitScore: 'It scores pairs of texts (a cross-encoder) and gives no vectors.',
  MLMTransformer: SPARSE,
  SpladePooling: SPARSE,
  SparseAutoEncoder: SPARSE,
  SparseStaticEmbedding: SPARSE,
  MultiVectorMask: TOKENS,
  TokenPooling: TOKENS,
};

function aboutModule(type: string): string {
  const name = /^sentence_transformers\.(?:\w+\.)*(\w+)$/.exec(type)?.[1];
  if (name === undefined)
    return "It is none of sentence-transformers' own, and code that comes with a model is never run.";
  return Object.hasOwn(OTHERS, name) ? OTHERS[name]! : '';
}

/**
 * `sentence_transformers.models.Dense` (up to 5.3), `sentence_transformers.base.modules.dense.Dense` and
 * `sentence_transformers.sentence_transformer.modules.pooling.Pooling` (from 5.4).
 */
const TYPE = /^sentence_transformers\.(?:models|base\.modules|sentence_transformer\.modules)\.(?:\w+\.)*(\w+)$/;

/**
 * The modules of a sentence-transformers folder in their order, or undefined where there is no modules.json.
 *
 * @throws ModelError ERR_MODEL_FOLDER: the file is damaged or a path leaves the folder; ERR_UNKNOWN_MODULE.
 */
export async function readModules(folder: string): Promise<FolderModule[] | undefined> {
  const file = join(folder, 'modules.json');
  const list = await readJson(file);
  if (list === undefined) return undefined;
  await readModelConfig(folder); // of another kind of model they are others: that is said first
  if (!Array.isArray(list) || list.length === 0) {
    throw new ModelError('ERR_MODEL_FOLDER', `${file} must hold a list of modules, found ${show(list)}.`, { file });
  }
  const modules: FolderModule[] = [];
  for (const entry of list as unknown[]) {
    const type = isObject(entry) ? entry['type'] : undefined;
    const path = isObject(entry) ? (entry['path'] ?? '') : undefined;
    if (typeof type !== 'string' || typeof path !== 'string') {
      throw new ModelError(
        'ERR_MODEL_FOLDER',
        `${file}: a module must have a "type" and a "path", found ` + `${show(entry)}.`,
        { file },
      );
    }
    const name = TYPE.exec(type)?.[1];
    const kind = name !== undefined && Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (kind === undefined) {
      throw new ModelError(
        'ERR_UNKNOWN_MODULE',
        `${file} names the module "${type}"; vectune has Transformer, StaticEmbedding, ` +
          'Pooling, Dense, LayerNorm, Normalize and Dropout of sentence-transformers.',
        { file, remedy: say`${aboutModule(type)}` },
      );
    }
    modules.push({ kind, folder: await inside(folder, path, file) });
  }
  checkOrder(modules, file);
  return modules;
}

/**
 * The path joined to the folder; neither it nor a link on it may lead out. Files in it may be links to anywhere,
 * as those of Hugging Face's own cache are.
 */
async function inside(folder: string, path: string, file: string): Promise<string> {
  const plain = normalize(path.replaceAll('\\', '/'));
  const module = join(folder, plain);
  if (isBelow(plain)) {
    const [from, to] = await Promise.all([folder, module].map((place) => realpath(place).catch(() => undefined)));
    // A folder that is not there is for its reader to judge: Normalize needs none.
    if (from === undefined || to === undefined || isBelow(relative(from, to))) return module;
  }
  throw new ModelError('ERR_MODEL_FOLDER', `${file}: the path "${path}" leads out of the model folder.`, { file });
}

function isBelow(path: string): boolean {
  return !isAbsolute(path) && path.split(sep)[0] !== '..';
}

const AFTER_POOLING: readonly ModuleKind[] = ['dense', 'layer_norm', 'normalize', 'dropout'];

function checkOrder(modules: readonly FolderModule[], file: string): void {
  const kinds = modules.map((module) => module.kind);
  const begins = kinds[0] === 'static' ? 1 : kinds[0] === 'transformer' && kinds[1] === 'pooling' ? 2 : undefined;
  if (begins !== undefined && kinds.slice(begins).every((kind) => AFTER_POOLING.includes(kind))) {
    return;
  }
  throw new ModelError(
    'ERR_UNKNOWN_MODULE',
    `${file} orders its modules ${kinds.join(', ')}; vectune runs a Transformer, ` +
      'then a Pooling, or a StaticEmbedding, then any number of Dense, LayerNorm and Normalize.',
    { file },
  );
}
