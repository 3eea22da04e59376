import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../../system/errors';
import type { HeadSpec, NativeModelSpec } from '../../engine/model-spec';
import type { WeightFile } from '../../engine/weight-files';
import { Tokeniser } from '../../tokenisation/tokeniser';
import { hasVocabulary, jsonFile, readTokenizerFiles } from '../../tokenisation/tokenizer-files';
import type { ModelLayout, OpenedModel } from '../types';
import { ARCHITECTURES } from '../architectures';
import type { ResolvedModel } from '../fetch/resolve';
import { ADAPTER_CONFIG, type Adapter } from './adapter';
import { readEncoderSpec } from './encoder-config';
import { readHead, type FolderHead } from './head';
import { readJsonObject, type JsonObject } from '../../system/json';
import { withKnownPrompts } from '../prompts';
import { readModules } from './modules';
import { NO_KIND_LENGTHS, readModelConfig, readSentenceConfig, type ModelConfig } from './sentence-config';
import { refuseOtherTasks } from './model-class';
import { MODEL2VEC, readStaticSpec, STATIC } from './static-embedding';
import { findWeights } from './weights';
import { absolutePath } from '../../system/working-folder';

/** What an adapter's folder lacks. */
export interface AdaptedBase {
  adapter: Adapter;
  /** The model that it changes, whole. */
  base: ResolvedModel;
}

/**
 * Reads a sentence-transformers folder of any era (0.4 with `0_Transformer`, 2 to 5.3, 5.4 to 6), a plain transformers
 * folder, which gets mean pooling, or one of model2vec. Weights are looked for but not read: the engine maps them. Of an
 * adapter the encoder is the base's; so are modules, prompts and tokenizer where the adapter's folder has none.
 *
 * @param id hub id or name for messages and the model card
 * @throws ModelError with the code of what is wrong, and the file.
 */
export async function readFolder(folder: string, id: string, adapted?: AdaptedBase): Promise<OpenedModel> {
  return (await read(folder, id, findWeights, adapted))!;
}

/**
 * Looks at a folder whose weights are not there yet, but for what only they tell, and for what an adapter's base has.
 *
 * @throws ModelError as `readFolder`
 */
export async function checkFolder(folder: string, id: string): Promise<void> {
  const encoderFolder = (await readModules(folder))?.[0]?.folder ?? folder;
  if ((await readJsonObject(join(encoderFolder, ADAPTER_CONFIG))) !== undefined) return;
  const opened = await read(folder, id, undefined);
  opened?.tokeniser.close();
}

/** @param find undefined: there are no weights; of a table of words nothing is read then */
async function read(
  folder: string,
  id: string,
  find: typeof findWeights | undefined,
  adapted?: AdaptedBase,
): Promise<OpenedModel | undefined> {
  const given = absolutePath(folder);
  const own = await readModules(given);
  const root = adapted !== undefined && own === undefined ? adapted.base.folder : given;
  if (
    !(await stat(root).then(
      (info) => info.isDirectory(),
      () => false,
    ))
  ) {
    throw new ModelError('ERR_MODEL_FOLDER', `${root} is not a folder. Pass a model folder or a hub id.`, {
      file: root,
    });
  }
  const about = await readModelConfig(root);
  const named = await readModules(root);
  const modules = named?.filter(({ kind }) => kind !== 'dropout');
  const first = modules?.[0];
  if (adapted !== undefined) await refuseStaticBase(adapted);
  if (first?.kind === 'static')
    return find && readStatic(root, id, about, first.folder, (width) => readHead(modules!.slice(1), width, [MEAN]));
  const encoderFolder = first?.folder ?? root;
  const weightsFolder = adapted === undefined ? encoderFolder : await encoderOf(adapted.base.folder);
  const { config, file } = await readEncoderConfig(weightsFolder, modules !== undefined);
  if (modules === undefined && config['model_type'] === MODEL2VEC) {
    const normalised = config['normalize'] === true;
    if (find === undefined) return undefined;
    return readStatic(root, id, about, root, async (width) => ({
      head: [MEAN, ...(normalised ? [{ kind: 'normalize' as const }] : [])],
      weightFolders: new Map(),
      includePrompt: true,
      dimension: width,
    }));
  }
  const notes: string[] = [];
  if (adapted !== undefined) {
    notes.push(
      `The folder is an adapter of ${adapted.adapter.base}: what it learnt is added to that model's weights` +
        `${own === undefined ? ', whose pooling, modules and prompts it has' : ''}.`,
    );
  }
  if (modules === undefined) refuseOtherTasks(config, file, root);
  const encoder = readEncoderSpec(config, file);
  if (named?.length !== modules?.length) {
    notes.push(
      'The module Dropout of modules.json is left out: it changes no vector, and nothing is dropped in training.',
    );
  }
  let head: FolderHead;
  if (modules === undefined) {
    const last = isDecoder(config);
    notes.push(
      `The folder has no modules.json: it is read as a plain transformers model, with ${
        last ? "the last token's vector" : 'the mean of the token vectors'
      } as pooling, as sentence-transformers does.`,
    );
    head = { head: [last ? LAST : MEAN], weightFolders: new Map(), includePrompt: true, dimension: encoder.hiddenSize };
  } else {
    head = await readHead(modules.slice(1), encoder.hiddenSize);
  }
  const sentence = await readSentenceConfig(encoderFolder);
  const tokenizerFolder =
    adapted === undefined || (await hasVocabulary(adapted.adapter.folder))
      ? (adapted?.adapter.folder ?? encoderFolder)
      : weightsFolder;
  const files = await readTokenizerFiles(tokenizerFolder);
  const tokenizerConfig = jsonFile(files, 'tokenizer_config.json', tokenizerFolder) ?? {};
  const positions = encoder.positions - encoder.positionOffset;
  const tokeniser = await Tokeniser.open({
    folder: tokenizerFolder,
    files,
    tokenizerClass: ARCHITECTURES[encoder.architecture].tokenizerClass,
    positions,
    doLowerCase: sentence.doLowerCase,
    encoderConfig: config,
    rows: encoder.vocabSize,
  });
  notes.push(...tokeniser.notes);
  checkVocabulary(tokeniser, encoder.vocabSize, tokenizerFolder, `${file} says "vocab_size" ${encoder.vocabSize}`);
  const known = withKnownPrompts(about.prompts, adapted?.base.id ?? id);
  notes.push(...known.notes);
  const defaultPrompt = about.prompts[about.defaultPromptName ?? ''] ?? '';
  const layout: ModelLayout = {
    ...about,
    prompts: known.prompts,
    needsPrompt: known.needed,
    encoderConfig: config,
    kindLengths: sentence.kindLengths,
    doLowerCase: sentence.doLowerCase,
    includePrompt: head.includePrompt,
    tokenizerFiles: files,
    tokenizerConfig,
    notes,
  };
  const spec: NativeModelSpec = { encoder, head: head.head };
  return {
    id,
    folder: given,
    architecture: encoder.architecture,
    spec,
    weightFiles:
      find === undefined
        ? []
        : [
            ...(await weightFiles(root, weightsFolder, head)),
            ...(adapted === undefined ? [] : [adapted.adapter.weights]),
          ],
    width: head.dimension,
    // Python cuts a vector at its end, wherever that is.
    dimension: Math.min(about.truncateDim ?? Infinity, head.dimension),
    normalised: head.head.at(-1)!.kind === 'normalize',
    maxInputLength: inputLimit(sentence.maxSeqLength, tokenizerConfig, positions, notes),
    positions,
    defaultPrompt,
    tokeniser,
    layout,
  };
}

const MEAN: HeadSpec = { kind: 'pooling', modes: ['mean'] };
const LAST: HeadSpec = { kind: 'pooling', modes: ['lasttoken'] };

/** A model of language whose tokens see those before them. */
function isDecoder(config: JsonObject): boolean {
  const [first] = Array.isArray(config['architectures']) ? (config['architectures'] as unknown[]) : [];
  return typeof first === 'string' && first.endsWith('ForCausalLM') && config['is_causal'] !== false;
}

/** A table of words without an encoder: StaticEmbedding of sentence-transformers, model2vec. */
async function readStatic(
  root: string,
  id: string,
  about: ModelConfig,
  folder: string,
  headOf: (width: number) => Promise<FolderHead>,
): Promise<OpenedModel> {
  const encoder = await readStaticSpec(await findWeights(folder, root));
  const head = await headOf(encoder.hiddenSize);
  const files = await readTokenizerFiles(folder, ['tokenizer.json']);
  const tokeniser = await Tokeniser.openAsItIs({ folder, files, positions: encoder.positions });
  checkVocabulary(tokeniser, encoder.vocabSize, folder, `the table of words has ${encoder.vocabSize} rows`);
  const { prompts, needed, notes } = withKnownPrompts(about.prompts, id);
  const layout: ModelLayout = {
    ...about,
    prompts,
    needsPrompt: needed,
    encoderConfig: {},
    kindLengths: NO_KIND_LENGTHS,
    doLowerCase: false,
    includePrompt: true,
    tokenizerFiles: files,
    tokenizerConfig: {},
    notes,
  };
  return {
    id,
    folder: root,
    architecture: STATIC,
    spec: { encoder, head: head.head },
    weightFiles: await weightFiles(root, folder, head),
    width: head.dimension,
    dimension: Math.min(about.truncateDim ?? Infinity, head.dimension),
    normalised: head.head.at(-1)!.kind === 'normalize',
    maxInputLength: tokeniser.positions,
    positions: tokeniser.positions,
    defaultPrompt: about.prompts[about.defaultPromptName ?? ''] ?? '',
    tokeniser,
    layout,
  };
}

/** The folder of a model's encoder. */
async function encoderOf(root: string): Promise<string> {
  return (await readModules(root))?.[0]?.folder ?? root;
}

async function refuseStaticBase({ adapter, base }: AdaptedBase): Promise<void> {
  const first = (await readModules(base.folder))?.[0];
  const config = await readJsonObject(join(base.folder, 'config.json'));
  if (first?.kind !== 'static' && (first !== undefined || config?.['model_type'] !== MODEL2VEC)) return;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${adapter.file} names ${adapter.base} as its base, which is a table of words: it has no matrices to adapt.`,
    { file: adapter.file },
  );
}

async function readEncoderConfig(folder: string, named: boolean): Promise<{ config: JsonObject; file: string }> {
  const file = join(folder, 'config.json');
  const config = await readJsonObject(file);
  if (config !== undefined) return { config, file };
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    named
      ? `${file} is missing, though modules.json names its folder. Fetch the model ` + 'folder again.'
      : `${folder} is not a model folder: it has neither modules.json nor config.json.`,
    { file: named ? file : folder },
  );
}

async function weightFiles(root: string, encoderFolder: string, head: FolderHead): Promise<WeightFile[]> {
  const modules: [WeightFile['module'], string][] = [['encoder', encoderFolder], ...head.weightFolders];
  const files = await Promise.all(
    modules.map(async ([module, folder]) => (await findWeights(folder, root)).map((file) => ({ ...file, module }))),
  );
  return files.flat();
}

/** A token without a row in the embedding table would be refused by the engine, text by text. */
function checkVocabulary(tokeniser: Tokeniser, rows: number, folder: string, found: string): void {
  if (tokeniser.vocabularySize <= rows) return;
  throw new ModelError(
    'ERR_TOKENIZER',
    `The tokenizer in ${folder} has ids up to ${tokeniser.vocabularySize - 1}, but ${found}: they are not of one ` +
      'model. Fetch the model folder again.',
    { file: folder },
  );
}

/** Some tokenizers write 1e30 for "no limit". */
const NO_LIMIT = 1e9;

/** Most tokens of a text: the sentence configuration's, else the tokenizer's, else as many as there are positions. */
function inputLimit(
  maxSeqLength: number | null,
  tokenizerConfig: JsonObject,
  positions: number,
  notes: string[],
): number {
  const baked = tokenizerConfig['model_max_length'] ?? tokenizerConfig['max_len'];
  const tokenizer = typeof baked === 'number' && baked >= 1 && baked < NO_LIMIT ? Math.floor(baked) : null;
  const limit = maxSeqLength ?? tokenizer ?? positions;
  if (limit <= positions) return limit;
  if (maxSeqLength !== null) {
    notes.push(
      `The folder's limit of ${limit} tokens is more than the model's ${positions} positions; it is ${positions} here.`,
    );
  }
  return positions;
}
