/// <reference lib="esnext.disposable" preserve="true" />
import { show } from './system/options';
import { resolveTable, type ResolvedOf } from './system/option-table';
import { orAborted } from './system/aborted';
import type { TextPair } from './data/pair';
import type { LabelList, TextList } from './data/lists';
import type { DataSource } from './data/training-row';
import { defineAsyncDispose } from './system/dispose';
import { option, say } from './system/wording';
import { hasCode, InvalidArgumentError, StateError } from './system/errors';
import type { FinetuneEvent } from './finetune/events';
import { finetune } from './finetune/finetune';
import { finetuneTable, type FinetuneOptions } from './finetune/options';
import type { ResolvedOptions } from './finetune/resolved-options';
import type { FinetuneReport } from './finetune/report';
import { FinetuneRun } from './finetune/run';
import type { RunControl } from './finetune/run-control';
import type { DataSets } from './finetune/sets/options';
import type { SetJob } from './finetune/sets/read';
import { inputLength } from './finetune/trainable-model';
import { TrainingRecord } from './finetune/training-record';
import { hubFiles } from './model/fetch/data-set';
import {
  BareTexts,
  kindLength,
  promptName,
  promptText,
  unpooledTokens,
  untrainedPromptNote,
  type TextKind,
} from './model/prompts';
import type { MergeFacts } from './model/save/card';
import { saveModel } from './model/save/save';
import type { ModelPreset } from './model/types';
import type { ModelHandle } from './engine/addon';
import { exportModel, type ExportReport } from './export/export';
import { EXPORT_FORMATS, exportTable, type ExportFormat, type ExportOptions } from './export/options';
import type { PushOptions } from './push/options';
import type { PushReport } from './push/push';
import { FinetuneArguments, type Sources } from './text-vectorisation/finetune-arguments';
import { disposedDuring, HeldModel } from './text-vectorisation/held-model';
import { loadModel, placeModel, type LoadedModel } from './text-vectorisation/loaded-model';
import { modelInfo, type ModelInfo } from './text-vectorisation/model-info';
import { pushModel, pushRequest, similarExamples } from './text-vectorisation/push-model';
import { textList } from './text-vectorisation/text-list';
import { WeightsHistory } from './text-vectorisation/weights-history';
import {
  constructorMisnomers,
  constructorOptions,
  embedMisnomers,
  embedTable,
  textVectorisationTable,
  type EmbedOptions,
  type TextVectorisationOptions,
} from './text-vectorisation-options';

/** What other rooms need of a model and its users must not have. */
export let ofModel: {
  /** It is loaded for `call`. Rejects as `load` does. */
  loaded(model: TextVectorisation, call: string): Promise<LoadedModel>;
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
  /** For evaluators: `embed` takes the option `prompt`, and knows the model's prompts by their names. */
  readonly takesPrompts = true;
  readonly #source: string | ModelPreset;
  readonly #options: ResolvedOf<typeof textVectorisationTable>;
  readonly #held: HeldModel;
  readonly #history = new WeightsHistory();
  readonly #sources: Sources = {
    hubFiles: (source, split, signal) =>
      hubFiles(source, split, { ...this.#options, environment: process.env }, signal),
    teacher: (name) => new TextVectorisation(name),
  };
  /** The run that is on; `ended` resolves when it has, well or badly. */
  #running: { run: FinetuneRun | undefined; ended: Promise<void> } | undefined;
  #disposed: Promise<void> | undefined;
  readonly #bareTexts = new BareTexts();

  static {
    ofModel = {
      loaded: (model, call) => model.#held.loaded(call),
      adopt: async (like, handle, options, merged) => {
        const model = new TextVectorisation(like.opened.id, options);
        model.#history.merged(merged);
        like.opened.tokeniser.share();
        const placed = placeModel(model.#options, like.addon, handle, like.opened);
        model.#held.take(placed);
        await placed;
        return model;
      },
    };
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
    this.#held = new HeldModel((closing) => loadModel(this.#source, this.#options, closing));
  }

  /**
   * Fetches the model where it is not in the cache, reads it and loads LibTorch; the first use does this by itself.
   *
   * @throws ModelError, DownloadError: the model; LibTorchError: LibTorch is missing or cannot be used; AbortError;
   *   StateError ERR_DISPOSED.
   */
  async load(): Promise<void> {
    await this.#held.loaded('load');
  }

  /** What the model is; loads it. Rejects as `load` does. */
  async info(): Promise<ModelInfo> {
    return modelInfo(await this.#held.loaded('info'), this.#bareTexts);
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
    this.#held.checkOpen();
    const list = textList(texts);
    const { embedder, opened } = await this.#held.loaded(name);
    const asked = given.prompt ?? (kind === undefined ? undefined : promptName(opened, kind));
    const prompt = promptText(opened, asked);
    const { dimensions } = given;
    if (dimensions !== undefined && dimensions > opened.width) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option('dimensions')} must be an integer from 1 to ${opened.width} (what ${opened.id} gives), but is ${dimensions}.`,
      );
    }
    if (list.length > 0) this.#bareTexts.note(kind, prompt, asked);
    const limit = inputLength(given.maxInputLength ?? kindLength(opened, kind), opened);
    const own = { prompt, dimensions, promptTokens: await unpooledTokens(opened, prompt) };
    const vectors = await embedder.embed(list, limit, given.signal, own).catch((error: unknown) => {
      throw this.#held.explain(error, name);
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
    const given = new FinetuneArguments(source, second, third);
    // An async function runs at once to its first await: nothing can come between the checks and the claim.
    const claim: { run: FinetuneRun | undefined; ended: Promise<void> } = { run: undefined, ended: Promise.resolve() };
    const run = new FinetuneRun(async (control) => {
      this.#held.checkOpen();
      if (this.#running !== undefined) {
        throw new StateError(
          'ERR_BUSY',
          'This model is being fine-tuned already. Await that run or abort it, or make another TextVectorisation.',
        );
      }
      const { sets, options } = given.resolve(this.#sources);
      let ended: () => void = () => undefined;
      claim.ended = new Promise((resolve) => {
        ended = resolve;
      });
      this.#running = claim;
      const stop = () => control.stop(disposedDuring('finetune'));
      this.#held.closing.addEventListener('abort', stop);
      try {
        return await this.#train(sets, options, control);
      } finally {
        this.#held.closing.removeEventListener('abort', stop);
        this.#running = undefined;
        ended();
      }
    });
    claim.run = run;
    return run;
  }

  #train(sets: readonly SetJob[], options: ResolvedOptions, control: RunControl): Promise<FinetuneReport> {
    const record = new TrainingRecord(options);
    const onProgress = (event: FinetuneEvent): unknown => {
      record.note(event);
      return options.onProgress?.(event);
    };
    const model = async () => {
      const { addon, handle, opened } = await orAborted(this.#held.loaded('finetune'), control.signal);
      this.#history.begin(record);
      const { device, memoryFraction } = this.#options;
      const promptOf = async (asked: string | undefined) => {
        const text = promptText(opened, asked, 'prompts');
        return { text, tokens: await unpooledTokens(opened, text) };
      };
      const unprompted = opened.layout.needsPrompt ? untrainedPromptNote(opened) : undefined;
      return { addon, handle, device, memoryFraction, promptOf, unprompted, notes: opened.layout.notes, ...opened };
    };
    return finetune({ sets, model, options: { ...options, onProgress }, hubFiles: this.#sources.hubFiles }, control);
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
    const { addon, handle, opened } = await this.#held.loaded('save');
    return saveModel(opened, addon, handle, folder, () => this.#history.facts(addon, opened)).catch(
      (error: unknown) => {
        throw this.#held.explain(error, 'save');
      },
    );
  }

  /**
   * Writes the model for other programs to run, as a folder that appears whole or not at all. 'onnx': onnx/model.onnx,
   * model_fp16.onnx, model_quantized.onnx (int8), each with encoder, pooling, Dense and Normalize inside, beside the files
   * that transformers.js and sentence-transformers' ONNX backend look for. 'gguf': a file for llama.cpp, which runs BERT
   * and its like, ModernBERT, NomicBERT, Qwen2, Qwen3 and EmbeddingGemma with pooling mean, cls or last token and no Dense
   * but EmbeddingGemma's. docs/export.md tells inputs and outputs, and how exact each precision is. The weights are those of the moment, as of `save`, and pass through memory in pieces.
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
    const { addon, handle, opened } = await this.#held.loaded('export');
    const signal = AbortSignal.any([this.#held.closing, ...(resolved.signal === undefined ? [] : [resolved.signal])]);
    const card = () => this.#history.facts(addon, opened);
    const request = { format, opened, addon, handle, target: folder, precisions, card, signal, onProgress };
    return exportModel(request).catch((error: unknown) => {
      throw this.#held.closed && hasCode(error, 'ERR_ABORTED')
        ? disposedDuring('export')
        : this.#held.explain(error, 'export');
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
   *   room for the model in `temporaryFolder`; AbortError; StateError as `save`; and what `load`
   *   rejects with
   */
  async push(repo: string, options?: PushOptions): Promise<PushReport> {
    this.#checkTrained('push');
    const request = await pushRequest(repo, options, this.#options);
    const { addon, handle, opened } = await this.#held.loaded('push');
    const { signal } = request;
    const vectorsOf = (list: readonly string[]) => this.embed(list, { ...(signal && { signal }) });
    const examples = await similarExamples(vectorsOf, request.examples);
    return pushModel(request, examples, (folder, card) =>
      saveModel(opened, addon, handle, folder, () => ({ ...this.#history.facts(addon, opened), ...card })),
    ).catch((error: unknown) => {
      throw this.#held.explain(error, 'push');
    });
  }

  /** Refuses where weights are wanted and an `await` was forgotten. */
  #checkTrained(call: string): void {
    this.#held.checkOpen();
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
    this.#held.close();
    await this.#running?.ended;
    await this.#held.free();
    // The run's own failure, which nobody awaits, says what was forgotten; whoever ends the process next must not hide it.
    if (forgotten) await new Promise(setImmediate);
  }

  /** Whether a run is on, and nobody has asked for what comes of it. */
  #unawaited(): boolean {
    return this.#running?.run?.awaited === false;
  }
}

defineAsyncDispose(TextVectorisation.prototype, function (this: TextVectorisation) {
  return this.dispose();
});
