/// <reference lib="esnext.disposable" preserve="true" />
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { show } from './system/options';
import { resolveTable, type ResolvedOf } from './system/option-table';
import type { TextPair } from './data/pair';
import { areTextRows, listRows, textRows, type LabelList, type ListRows, type TextList } from './data/lists';
import { collectLists, collectRows, noSplit, type DataSource } from './data/source';
import { defineAsyncDispose } from './system/dispose';
import { option, say } from './system/wording';
import { fromNative, hasCode, InvalidArgumentError, StateError } from './system/errors';
import type { FinetuneEvent } from './finetune/events';
import { finetune } from './finetune/finetune';
import type { KeepReading } from './finetune/keep';
import { finetuneTable, type FinetuneOptions } from './finetune/options';
import { wantsPairClasses } from './finetune/losses/fit';
import { resolveOptions, type ResolvedOptions } from './finetune/resolved-options';
import type { FinetuneReport } from './finetune/report';
import { FinetuneRun } from './finetune/run';
import type { RunControl } from './finetune/run-control';
import { fetchDataSet, hubDataSet } from './model/fetch/data-set';
import { openModel } from './model/open';
import {
  promptName,
  promptText,
  unpooledTokens,
  unpromptedNote,
  untrainedPromptNote,
  type TextKind,
} from './model/prompts';
import { saveModel } from './model/save/save';
import type { ModelPreset, OpenedModel } from './model/types';
import type { EmbeddingPrecision, EngineAddon, ModelHandle, NativeDevice } from './engine/addon';
import { chooseDevice, choosePrecision } from './engine/devices';
import { loadEngine } from './engine/load';
import { prepareTokenizers } from './tokenisation/tokeniser';
import { Embedder } from './embed/embedder';
import { areTextsAlone, collectTexts, isVectorFile, type TeacherJob } from './finetune/teacher';
import { areDataSets, resolveSets, type DataSets, type SetSource } from './finetune/sets/options';
import { errorOfSet, type SetJob } from './finetune/sets/read';
import { inputLength } from './finetune/trainable-model';
import { TrainingRecord } from './finetune/training-record';
import { EmbeddingsEndpoint } from './embed/endpoint';
import type { EmbeddingModel } from './evaluate/embedding';
import type { CardExample, CardFacts, MergeFacts } from './model/save/card';
import { exportModel, type ExportReport } from './export/export';
import { cosineSimilarity } from './embed/similarity';
import { cardTable, EXAMPLES, pushTable, type PushOptions } from './push/options';
import { checkRepository, pushFolder, tokenToWrite, type PushReport } from './push/push';
import { EXPORT_FORMATS, exportTable, type ExportFormat, type ExportOptions } from './export/options';
import {
  constructorMisnomers,
  constructorOptions,
  embedMisnomers,
  embedTable,
  textVectorisationTable,
  type EmbedOptions,
  type TextVectorisationOptions,
} from './text-vectorisation-options';

/** What a loaded model is. */
export interface ModelInfo {
  /** Hub id, or the folder's name. */
  id: string;
  /** The encoder's kind; 'static-embedding' where there is none but a table of words. */
  architecture: OpenedModel['architecture'];
  /** Width of an embedding. */
  dimension: number;
  /** The folder's limit in tokens, special tokens included. */
  maxInputLength: number;
  /** Most tokens of a text that `maxInputLength` may ask for, special tokens included. */
  positions: number;
  /** Numbers that the model is made of. */
  parameters: number;
  /** Where `embed` computes: 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** What the model knows to put before texts, by name; '' is nothing. */
  prompts: Readonly<Record<string, string>>;
  /** What was assumed where the model's folder does not say, for people to read. */
  notes: readonly string[];
}

/** What the rooms above may use of a model that is loaded. */
export interface LoadedModel {
  addon: EngineAddon;
  handle: ModelHandle;
  opened: OpenedModel;
  embedder: Embedder;
}

/** What merge.ts needs of a model and others must not have. */
export let ofModel: {
  loaded(model: TextVectorisation): Promise<LoadedModel>;
  /** A model of other weights; all else is as in `like`. The handle is its own from here on. */
  adopt(
    like: LoadedModel,
    handle: ModelHandle,
    options: TextVectorisationOptions,
    merged: MergeFacts,
  ): Promise<TextVectorisation>;
};

/** A constant of `models` or a text; copied, so that it does not change under us. */
function checkSource(source: unknown): string | ModelPreset {
  if (typeof source === 'string' && source !== '') return source;
  const preset = source as Partial<ModelPreset> | null | undefined;
  if (typeof preset === 'object' && preset !== null && typeof preset.id === 'string')
    return { ...preset } as ModelPreset;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    'A model is given as a folder, a hub id or one of the constants ' + `in \`models\`, but is ${show(source)}.`,
  );
}

/** A teacher as it was named; one that is made here is freed after it has taught. */
function teacherOf(named: EmbeddingModel | string, keep: string | null): TeacherJob & { release: () => Promise<void> } {
  const nothing = () => Promise.resolve();
  if (typeof named !== 'string') return { source: { model: named }, keep, release: nothing };
  if (/^https?:\/\//i.test(named)) return { source: { model: new EmbeddingsEndpoint(named) }, keep, release: nothing };
  if (isVectorFile(named)) return { source: { file: named }, keep, release: nothing };
  const model = new TextVectorisation(named);
  return { source: { model }, keep, release: () => model.dispose() };
}

/** Gives `promise`, or rejects with the signal's reason as soon as it is aborted. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
    promise.catch(() => undefined); // nobody may be waiting for it any more
  }
}

/** The model behind a TextVectorisation, loaded. For a server, which counts and embeds tokens. Rejects as `load` does. */
export let loadedModel: (tv: TextVectorisation, call: string) => Promise<LoadedModel>;

/**
 * A sentence-embedding model: fine-tune it on pairs of texts with scores, turn texts into vectors, save it.
 *
 * Nothing is fetched or loaded until the first use (or `load`). All work is done off the event loop.
 *
 * ```ts
 * const tv = new TextVectorisation(models.AllMiniLML6V2);
 * await tv.finetune([['How old are you?', 'What is your age?'], ['How old are you?', 'It rains']], [1, 0], { validationSplit: 0 });
 * const [a, b] = await tv.embed(['How old are you?', 'What is your age?']);
 * ```
 */
export class TextVectorisation {
  /** `dispose`, for `await using`; not there in a Node that does not know it (before 20.5). */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #source: string | ModelPreset;
  readonly #options: ResolvedOf<typeof textVectorisationTable>;
  readonly #closing = new AbortController();
  #loading: Promise<LoadedModel> | undefined;
  /** The run that is on; `ended` resolves when it has, well or badly. */
  #running: { run: FinetuneRun | undefined; ended: Promise<void> } | undefined;
  /** Of the runs whose weights the model took, and last of the run that is on. */
  #records: TrainingRecord[] = [];
  #disposed: Promise<void> | undefined;
  /** Whether texts were embedded with nothing before them. */
  #unprompted = false;
  /** Where the weights were not read but merged. */
  #merged: MergeFacts | undefined;

  static {
    ofModel = {
      loaded: (model) => model.#loaded('merge'),
      adopt: async (like, handle, options, merged) => {
        const model = new TextVectorisation(like.opened.id, options);
        model.#merged = merged;
        like.opened.tokeniser.share();
        model.#loading = model.#placed(like.addon, handle, like.opened);
        await model.#loading;
        return model;
      },
    };
  }

  static {
    loadedModel = (tv, call) => tv.#loaded(call);
  }

  /**
   * @param model a constant of `models`, the id of a hub repository, or a folder of sentence-transformers' layout
   * @throws InvalidArgumentError for an option that is not there or has a wrong value. What is wrong with the model
   *   is told by the first use.
   */
  constructor(model: string | ModelPreset, options?: TextVectorisationOptions) {
    this.#source = checkSource(model);
    this.#options = resolveTable(textVectorisationTable, options, {
      name: 'TextVectorisation',
      path: '',
      misnomers: constructorMisnomers,
      elsewhere: [
        { name: 'finetune', table: finetuneTable },
        { name: 'embed', table: embedTable },
      ],
    });
  }

  /**
   * Fetches the model where it is not in the cache, reads it and loads LibTorch; the first use does this by itself.
   *
   * @throws ModelError, DownloadError: the model; LibTorchError: LibTorch is missing or cannot be used; AbortError;
   *   StateError ERR_DISPOSED.
   */
  async load(): Promise<void> {
    await this.#loaded('load');
  }

  /** What the model is; loads it. Rejects as `load` does. */
  async info(): Promise<ModelInfo> {
    const { addon, handle, opened, embedder } = await this.#loaded('info');
    const { id, architecture, dimension, maxInputLength, positions, layout } = opened;
    const parameters = addon
      .parameters(handle)
      .reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
    return {
      id,
      architecture,
      dimension,
      maxInputLength,
      positions,
      parameters,
      device: embedder.device,
      prompts: { ...layout.prompts },
      notes: [...layout.notes, ...(this.#unprompted && layout.needsPrompt ? [unpromptedNote(opened)] : [])],
    };
  }

  /**
   * Turns a text, or each of a list of texts, into a vector. While a run of `finetune` is on, the vectors are those
   * of the best weights so far. Calls may overlap.
   *
   * @returns one Float32Array of the model's dimension for a text, a list of them in the same order for a list
   * @throws InvalidArgumentError ERR_TEXT_TYPE names the row; ERR_MAX_INPUT_LENGTH; OutOfMemoryError; AbortError;
   *   StateError ERR_DISPOSED; and what `load` rejects with.
   */
  embed(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array | Float32Array[]> {
    return this.#embed('embed', texts, options, undefined);
  }

  /**
   * As `embed`, for questions and searches: with the model's prompt of the name `query`, where it has one. Models for
   * search are trained to tell the two sides apart.
   */
  embedQueries(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embedQueries(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embedQueries(
    texts: string | readonly string[],
    options?: EmbedOptions,
  ): Promise<Float32Array | Float32Array[]> {
    return this.#embed('embedQueries', texts, options, 'query');
  }

  /** As `embed`, for what is to be found: with the model's prompt `document`, `passage` or `corpus`, where it has one. */
  embedDocuments(text: string, options?: EmbedOptions): Promise<Float32Array>;
  embedDocuments(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
  async embedDocuments(
    texts: string | readonly string[],
    options?: EmbedOptions,
  ): Promise<Float32Array | Float32Array[]> {
    return this.#embed('embedDocuments', texts, options, 'document');
  }

  async #embed(
    name: string,
    texts: string | readonly string[],
    options: EmbedOptions | undefined,
    kind: TextKind | undefined,
  ): Promise<Float32Array | Float32Array[]> {
    const given = resolveTable(embedTable, options, {
      name,
      path: '',
      misnomers: embedMisnomers,
      elsewhere: [constructorOptions],
    });
    const list = this.#checkTexts(texts);
    const { embedder, opened } = await this.#loaded(name);
    const asked = given.prompt ?? (kind === undefined ? undefined : promptName(opened, kind));
    const prompt = promptText(opened, asked);
    const { dimensions } = given;
    if (dimensions !== undefined && dimensions > opened.width) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option('dimensions')} must be an integer from 1 to ${opened.width} (what ${opened.id} gives), but is ${dimensions}.`,
      );
    }
    // A document may have none by intent.
    this.#unprompted ||= list.length > 0 && prompt === '' && asked === undefined && kind === undefined;
    const limit = inputLength(given.maxInputLength, opened);
    const own = { prompt, dimensions, promptTokens: await unpooledTokens(opened, prompt) };
    const vectors = await embedder.embed(list, limit, given.signal, own).catch((error: unknown) => {
      throw this.#explain(error, name);
    });
    return typeof texts === 'string' ? vectors[0]! : vectors;
  }

  /**
   * Trains the model on rows of texts: two texts and a score or a label 0 or 1; a text and one that belongs to it, perhaps
   * with some that do not; a text and its class; a text and a teacher's vector; a query, candidates and a teacher's scores.
   * The data is lists (pairs and scores, texts and classes or vectors, rows of texts), or the path of a CSV, TSV, JSON Lines,
   * JSON or Parquet file or of a BEIR folder, or `hub:owner/name` (`hub:owner/name/config`, `hub:owner/name@revision`), a data
   * set of the hub, by its Parquet files and with the model's own options of the hub, or an (async) iterable of rows `{ text1, text2, score }`, `{ anchor, positive, negative }`,
   * `{ text, label }` and the like; the event 'data' tells how it was understood. The form of the rows chooses the loss,
   * unless the option `loss` does (docs/recipes.md, docs/losses.md).
   *
   * Several data sets are trained on together where they are given by their names: `finetune({ questions: 'questions.csv',
   * pairs: { data: rows, loss: 'cosent' } })`. Each has its form, its loss and its measure; the rows of a step are of one set,
   * and `multiDatasetSampler` says how the sets take turns.
   *
   * Training starts at once, whether or not the run is awaited. The model takes new weights only when they are better
   * on the validation rows than all before, the untrained ones included; see `FinetuneOptions` for everything else.
   *
   * @returns a promise of the report that also has `abort()`. It rejects with InvalidArgumentError: the data or an
   *   option, before anything is touched; StateError ERR_BUSY: a run is on already, ERR_DISPOSED; OutOfMemoryError;
   *   AbortError; and what `load` rejects with.
   */
  finetune(pairs: readonly TextPair[], scores: ArrayLike<number>, options?: FinetuneOptions): FinetuneRun;
  finetune(texts: TextList, labels: LabelList, options?: FinetuneOptions): FinetuneRun;
  finetune(
    source: DataSource | readonly string[] | readonly (readonly string[])[] | DataSets,
    options?: FinetuneOptions,
  ): FinetuneRun;
  finetune(
    source: TextList | DataSource | DataSets,
    second?: LabelList | FinetuneOptions,
    third?: FinetuneOptions,
  ): FinetuneRun {
    const labelled = Array.isArray(second) || ArrayBuffer.isView(second);
    const alone = !labelled && third === undefined && areTextRows(source);
    const asLists = labelled || (!alone && Array.isArray(source) && Array.isArray(source[0]));
    const several = !labelled && third === undefined && areDataSets(source);
    // An async function runs at once to its first await: nothing can come between the checks and the claim.
    const claim: { run: FinetuneRun | undefined; ended: Promise<void> } = { run: undefined, ended: Promise.resolve() };
    const run = new FinetuneRun(async (control) => {
      this.#checkAlive();
      if (this.#running !== undefined) {
        throw new StateError(
          'ERR_BUSY',
          'This model is being fine-tuned already. Await that run or abort it, or make another TextVectorisation.',
        );
      }
      if (!asLists && third !== undefined) {
        throw new InvalidArgumentError(
          'ERR_INVALID_ARGUMENT',
          'finetune takes pairs, scores and options, or a file or rows ' +
            `and options, but was given ${show(source)}, ${show(second)} and ${show(third)}.`,
        );
      }
      const options = resolveOptions(asLists ? third : second, [constructorOptions]);
      const sets = several
        ? this.#setsOf(source, options)
        : [
            this.#setOf(
              source,
              asLists ? listRows(source, second, wantsPairClasses(options), options.file) : undefined,
              options,
            ),
          ];
      let ended: () => void = () => undefined;
      claim.ended = new Promise((resolve) => {
        ended = resolve;
      });
      this.#running = claim;
      const stop = () => control.stop(disposedDuring('finetune'));
      this.#closing.signal.addEventListener('abort', stop);
      try {
        return await this.#train(sets, options, control);
      } finally {
        this.#closing.signal.removeEventListener('abort', stop);
        this.#running = undefined;
        ended();
      }
    });
    claim.run = run;
    return run;
  }

  /** The one set of a run. */
  #setOf(source: unknown, lists: ListRows | undefined, options: ResolvedOptions): SetJob {
    const { loss, sampler, measure } = options;
    return { name: null, loss, sampler, measure, ...this.#reading(source as SetSource, lists, options) };
  }

  #setsOf(source: DataSets, options: ResolvedOptions): SetJob[] {
    return resolveSets(source, options).map((set) => {
      const { name, loss, sampler, measure, data, labels, file } = set;
      const { recipe, onBadRow } = options;
      try {
        const lists =
          labels === undefined ? undefined : listRows(data, labels, wantsPairClasses({ loss, recipe }), file);
        return { name, loss, sampler, measure, ...this.#reading(data, lists, { ...set, recipe, onBadRow }) };
      } catch (error) {
        throw errorOfSet(name, error);
      }
    });
  }

  /** How a source is read, and who teaches. What is wrong with lists is told at once. */
  #reading(
    source: SetSource,
    lists: ListRows | undefined,
    options: Pick<ResolvedOptions, 'recipe' | 'loss' | 'teacher' | 'teacherFile' | 'file' | 'split' | 'onBadRow'>,
  ): Pick<SetJob, 'data' | 'teacher'> {
    const { teacher, teacherFile, onBadRow } = options;
    const rows = lists ?? (areTextRows(source) ? textRows(source, options.file) : undefined);
    if (rows !== undefined && options.split !== null) throw noSplit();
    if (rows === undefined) hubDataSet(source); // refuses a wrong name
    const data: SetJob['data'] = async (signal) => {
      if (teacher !== null && lists === undefined && areTextsAlone(source))
        return collectTexts(source, options.file, signal);
      if (rows !== undefined) return collectLists(rows, onBadRow, signal);
      const files = await this.#hubFiles(source, options.split, signal);
      const pairClasses = wantsPairClasses(options);
      return collectRows(source as DataSource, { ...options, files, pairClasses }, signal);
    };
    return { data, teacher: teacher === null ? undefined : () => teacherOf(teacher, teacherFile) };
  }

  /** The files of a data set of the hub; undefined of another source. */
  async #hubFiles(source: unknown, split: string | null, signal: AbortSignal): Promise<readonly string[] | undefined> {
    const named = hubDataSet(source);
    if (named === null) return undefined;
    const options = { ...this.#options, environment: process.env, signal };
    return orAborted(fetchDataSet(named, split ?? undefined, options), signal);
  }

  #train(sets: readonly SetJob[], options: ResolvedOptions, control: RunControl): Promise<FinetuneReport> {
    const record = new TrainingRecord(options);
    const onProgress = (event: FinetuneEvent): unknown => {
      record.note(event);
      return options.onProgress?.(event);
    };
    const model = async () => {
      const { addon, handle, opened } = await orAborted(this.#loaded('finetune'), control.signal);
      this.#records = [...this.#records.filter(({ changedModel }) => changedModel), record];
      const { device, memoryFraction } = this.#options;
      const promptOf = async (asked: string | undefined) => {
        const text = promptText(opened, asked, 'prompts');
        return { text, tokens: await unpooledTokens(opened, text) };
      };
      const unprompted = opened.layout.needsPrompt ? untrainedPromptNote(opened) : undefined;
      return { addon, handle, device, memoryFraction, promptOf, unprompted, ...opened };
    };
    const hubFiles: KeepReading['hubFiles'] = (source, split, signal) => this.#hubFiles(source, split, signal);
    return finetune({ sets, model, options: { ...options, onProgress }, hubFiles }, control);
  }

  /**
   * Writes the model as a sentence-transformers folder (2.x layout), with a model card that says what was done. While
   * a run that someone awaits is on, the weights are the best so far. The folder appears whole or not at all.
   *
   * @param folder its parents are made; a model folder that is there already is replaced
   * @returns the folder's absolute path
   * @throws ModelError ERR_SAVE_TARGET: something that is not a model is there, or nothing can be written there;
   *   FileError; StateError ERR_BUSY: a run is on that nobody awaits, so that an `await` was forgotten, ERR_DISPOSED; and
   *   what `load` rejects with.
   */
  async save(folder: string): Promise<string> {
    if (typeof folder !== 'string' || folder === '') {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `save needs the path of a folder, but was given ${show(folder)}.`,
      );
    }
    this.#checkTrained('save');
    const { addon, handle, opened } = await this.#loaded('save');
    return saveModel(opened, addon, handle, folder, () => this.#cardFacts(addon)).catch((error: unknown) => {
      throw this.#explain(error, 'save');
    });
  }

  /**
   * Writes the model for other programs to run, as a folder that appears whole or not at all. 'onnx': onnx/model.onnx,
   * model_fp16.onnx, model_quantized.onnx (int8), each with encoder, pooling, Dense and Normalize inside, beside the files
   * that transformers.js and sentence-transformers' ONNX backend look for. 'gguf': a file for llama.cpp, which runs models
   * of BERT's kind with pooling mean, cls or last token and no Dense. docs/export.md tells inputs and outputs, and how exact
   * each precision is. The weights are those of the moment, as of `save`, and pass through memory in pieces.
   *
   * @param folder its parents are made; an earlier export that is there is replaced, a folder with a model's weights never
   * @throws InvalidArgumentError; ModelError ERR_EXPORT: the format cannot say the model, ERR_SAVE_TARGET:
   *   something else is there, or nothing can be written there; FileError; AbortError; StateError as `save`; and what
   *   `load` rejects with
   */
  async export(format: ExportFormat, folder: string, options?: ExportOptions): Promise<ExportReport> {
    if (!EXPORT_FORMATS.includes(format)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The format of an export must be ${EXPORT_FORMATS.map((one) => `'${one}'`).join(' or ')}, but is ${show(format)}.`,
      );
    }
    if (typeof folder !== 'string' || folder === '') {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `export needs the path of a folder, but was given ${show(folder)}.`,
      );
    }
    const resolved = resolveTable(exportTable, options, { name: 'export', path: '', elsewhere: [constructorOptions] });
    const { precision: precisions, onProgress } = resolved;
    this.#checkTrained('export');
    const { addon, handle, opened } = await this.#loaded('export');
    const signal = AbortSignal.any([this.#closing.signal, ...(resolved.signal === undefined ? [] : [resolved.signal])]);
    const card = () => this.#cardFacts(addon);
    const request = { format, opened, addon, handle, target: folder, precisions, card, signal, onProgress };
    return exportModel(request).catch((error: unknown) => {
      throw this.#disposed !== undefined && hasCode(error, 'ERR_ABORTED')
        ? disposedDuring('export')
        : this.#explain(error, 'export');
    });
  }

  /**
   * Saves the model into a repository of a hub, as one commit: others see all of it or nothing. The card tells data, recipe,
   * measures before and after, thresholds and examples. A repository that is not there is made, private unless `visibility`
   * says otherwise; one that holds a model already is left alone unless `force` is given. What a push that broke off has
   * sent is not sent again. `pushFolder` does the same with a folder, as of an export.
   *
   * @param repo owner/name
   * @throws PushError ERR_PUSH_TARGET, ERR_HUB_ACCESS, ERR_HUB_BUSY, ERR_PUSH; InvalidArgumentError; FileError: there is no
   *   room for the model in the system's folder for temporary files; AbortError; StateError as `save`; and what `load`
   *   rejects with
   */
  async push(repo: string, options?: PushOptions): Promise<PushReport> {
    const { license, languages, examples, signal, onProgress, ...given } = resolveTable(
      { ...pushTable, ...cardTable },
      options,
      {
        name: 'push',
        path: '',
      },
    );
    checkRepository(repo);
    const accessToken = tokenToWrite(given.accessToken ?? this.#options.accessToken);
    this.#checkTrained('push');
    const { addon, handle, opened } = await this.#loaded('push');
    const shown: CardExample[] = [];
    for (const { text, others } of examples ?? EXAMPLES) {
      const [vector, ...vectors] = await this.embed([text, ...others], { ...(signal && { signal }) });
      const similarities = vectors.map((other) => cosineSimilarity(vector!, other));
      shown.push({ text, others: others.map((other, i) => ({ text: other, similarity: similarities[i]! })) });
    }
    const { hubUrl = this.#options.hubUrl } = given;
    const temporary = await mkdtemp(join(tmpdir(), 'vectune-push-'));
    try {
      const folder = await saveModel(opened, addon, handle, join(temporary, 'model'), () => ({
        ...this.#cardFacts(addon),
        place: repo,
        examples: shown,
        ...(license !== undefined && { license }),
        ...(languages !== undefined && { languages }),
      }));
      return await pushFolder(folder, repo, {
        force: given.force,
        visibility: given.visibility,
        message: given.message,
        accessToken,
        ...(signal && { signal }),
        ...(onProgress && { onProgress }),
        ...(hubUrl !== undefined && { hubUrl }),
      });
    } catch (error) {
      throw this.#explain(error, 'push');
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** What is known of the training of the weights as they are. */
  #cardFacts(addon: EngineAddon): CardFacts {
    const records = this.#records.filter(({ changedModel }) => changedModel);
    const trained = records.at(-1)?.facts(records.length - 1, addon.info().libtorch) ?? {};
    return this.#merged === undefined ? trained : { ...trained, merged: this.#merged };
  }

  /** Refuses where weights are wanted and an `await` was forgotten. */
  #checkTrained(call: string): void {
    this.#checkAlive();
    if (!this.#unawaited()) return;
    throw new StateError(
      'ERR_BUSY',
      `${call} was called while a run of finetune is on that nobody awaits: the model is not trained yet.`,
      {
        remedy: say`Put await before finetune(…). To ${call} the best weights so far, give the run a then or catch first.`,
      },
    );
  }

  /**
   * Frees the model's memory at once. A run that is on is stopped and ends first; later calls reject with a StateError
   * ERR_DISPOSED. May be called twice. A model that is not disposed is freed some time after it can no longer be reached.
   * It never rejects: where a run was on that nobody awaits, so that an `await` was forgotten, that run's rejection says so.
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const forgotten = this.#unawaited();
    this.#closing.abort(disposed());
    await this.#running?.ended;
    const loaded = await this.#loading?.catch(() => undefined);
    loaded?.addon.disposeModel(loaded.handle);
    loaded?.opened.tokeniser.close();
    // The run's own failure, which nobody awaits, says what was forgotten; whoever ends the process next must not hide it.
    if (forgotten) await new Promise(setImmediate);
  }

  /** Whether a run is on, and nobody has asked for what comes of it. */
  #unawaited(): boolean {
    return this.#running?.run?.awaited === false;
  }

  #checkAlive(): void {
    if (this.#disposed !== undefined) throw disposed();
  }

  #checkTexts(texts: unknown): readonly string[] {
    this.#checkAlive();
    if (typeof texts === 'string') return [texts];
    if (!Array.isArray(texts)) {
      throw new InvalidArgumentError(
        'ERR_TEXT_TYPE',
        `embed takes a text or a list of texts, but was given ${show(texts)}.`,
      );
    }
    const list: unknown[] = [...texts]; // holes become undefined, which is refused
    return list.map((text, row) => {
      if (typeof text === 'string') return text;
      throw new InvalidArgumentError(
        'ERR_TEXT_TYPE',
        `A text must be a string (an empty one is fine), but texts[${row}] is ` + `${show(text)}.`,
        { row },
      );
    });
  }

  /** The model; `call` is what waits for it. */
  async #loaded(call: string): Promise<LoadedModel> {
    this.#checkAlive();
    if (this.#loading === undefined) {
      const loading = this.#load();
      this.#loading = loading;
      loading.catch(() => {
        // What was missing may be there when it is tried again.
        if (this.#loading === loading) this.#loading = undefined;
      });
    }
    const loaded = await this.#loading.catch((error: unknown) => {
      throw this.#disposed === undefined ? error : disposedDuring(call);
    });
    if (this.#disposed !== undefined) throw disposedDuring(call);
    return loaded;
  }

  /** What is wrong with a call that was at work: the engine knows only that its model is gone. */
  #explain(error: unknown, call: string): unknown {
    return this.#disposed !== undefined && hasCode(error, 'ERR_DISPOSED') ? disposedDuring(call) : error;
  }

  async #load(): Promise<LoadedModel> {
    const {
      libtorch,
      installLibTorch,
      precision: _precision,
      device,
      memoryFraction: _memoryFraction,
      signal: stop,
      onProgress,
      ...where
    } = this.#options;
    const signal = stop === undefined ? this.#closing.signal : AbortSignal.any([stop, this.#closing.signal]);
    try {
      prepareTokenizers();
      // Together: LibTorch is read from disk while the model's folder is. A failure of one does not wait for the other.
      const [opened, addon] = await Promise.all([
        openModel(this.#source, { ...where, onProgress, signal }),
        loadEngine({ libtorch, consent: installLibTorch, cuda: device !== 'cpu', onEvent: onProgress, signal }),
      ]);
      const place = await this.#place(addon);
      const handle = await addon.createModel(opened.spec, opened.weightFiles, 0);
      return { addon, handle, opened, embedder: new Embedder({ ...opened, addon, handle }, ...place) };
    } catch (error) {
      throw this.#disposed === undefined ? fromNative(error) : disposed();
    }
  }

  /** Precision and device of `embed`; tells which. */
  async #place(addon: EngineAddon): Promise<[EmbeddingPrecision, NativeDevice]> {
    const { precision, device, memoryFraction, onProgress } = this.#options;
    const chosen = await chooseDevice(device, memoryFraction, addon);
    const chosenPrecision = choosePrecision(precision, chosen, addon);
    onProgress?.({ type: 'device', device: chosen.device, gpu: chosen.gpu, message: chosen.message });
    return [chosenPrecision, chosen.device];
  }

  /** A model whose weights are there already. */
  async #placed(addon: EngineAddon, handle: ModelHandle, opened: OpenedModel): Promise<LoadedModel> {
    try {
      const place = await this.#place(addon);
      return { addon, handle, opened, embedder: new Embedder({ ...opened, addon, handle }, ...place) };
    } catch (error) {
      addon.disposeModel(handle);
      opened.tokeniser.close();
      throw fromNative(error);
    }
  }
}

defineAsyncDispose(TextVectorisation.prototype, function (this: TextVectorisation) {
  return this.dispose();
});

function disposed(): StateError {
  return new StateError('ERR_DISPOSED', 'This TextVectorisation was disposed. Make a new one.');
}

/** For a call that had begun. */
function disposedDuring(call: string): StateError {
  return new StateError('ERR_DISPOSED', `dispose was called while ${call} was at work, and stopped it.`, {
    remedy: say`Await ${call}(…) before dispose().`,
  });
}
