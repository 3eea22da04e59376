/**
 * The engine addon as TypeScript sees it: the one contract between `native/binding` and `lib`.
 *
 * Everything that computes returns a promise and runs on the process's single engine thread: what is asked of
 * one handle (the first that a call takes) in the order of the calls, handles taking turns. Handles are opaque, type-tagged and per Node environment; a disposed handle,
 * or one of the wrong type, is refused with a coded error. Flat typed arrays are copied when a call
 * is made, so the caller may reuse them at once.
 */

import type { EmbeddingPrecision, NativeDevice, NativePrecision } from './compute';
import type { NativeModelSpec } from './model-spec';
import type {
  Evaluation,
  RowSet,
  StepOutcome,
  StepRequest,
  StepVectors,
  TrainerOptions,
  TrainerStats,
} from './training';
import type { ParameterInfo, SaveFile, WeightFile } from './weight-files';

declare const handleTag: unique symbol;
export interface ModelHandle {
  readonly [handleTag]: 'model';
}
export interface DatasetHandle {
  readonly [handleTag]: 'dataset';
}
export interface TrainerHandle {
  readonly [handleTag]: 'trainer';
}
export interface VectorsHandle {
  readonly [handleTag]: 'vectors';
}
export interface SearchHandle {
  readonly [handleTag]: 'search';
}

export interface EngineInfo {
  /** Version of the LibTorch that is loaded, e.g. '2.11.0'. */
  libtorch: string;
  /** Version of this package the addon was built from. */
  addon: string;
  /** Instruction set of vectune's own kernels. */
  simd: 'avx512_bf16' | 'avx512_vnni' | 'avx512' | 'avx2' | 'plain';
  /** Who multiplies matrices. */
  gemm: 'onednn' | 'aten';
  /** Whether bf16 compute is faster than fp32 here (avx512_bf16 or amx). */
  bf16: boolean;
  /** Whether int8 products are exact and fast here (avx2 and above). */
  int8: boolean;
  /** Threads of the engine's OpenMP team. */
  threads: number;
}

export interface MemoryInfo {
  /** Bytes that the engine's allocator holds now, the most it ever held, and its limit. */
  inUse: number;
  peak: number;
  limit: number | null;
}

export interface GpuInfo {
  name: string;
  /** Compute capability, e.g. '9.0'. */
  capability: string;
  bytes: number;
  /** Whether it multiplies bf16. */
  bf16: boolean;
}

export interface GpusInfo {
  /** GPU i is the device `cuda:i`. */
  gpus: GpuInfo[];
  /** The newest CUDA that the driver knows, e.g. '13.0'; null without a driver. */
  driver: string | null;
  /** What is missing where there are none; else null. */
  reason: string | null;
}

/** Memory of a device, in bytes. */
export interface DeviceMemory {
  /** What tensors hold. */
  allocated: number;
  /** The most that tensors held since it was last reset, as each event does. */
  peak: number;
  /** What this process holds of the device. */
  reserved: number;
  /** Share of `reserved` that is free, but in pieces of larger blocks; from 0 to 1. */
  fragmentation: number;
  /** What is free of the device's memory, whoever uses the rest. */
  free: number;
  /** All of the device's memory. */
  total: number;
}

/** How vectors are searched: by the cosine, where those of fp32 are held at length 1, or by the product. */
export type SearchSimilarity = 'cosine' | 'dot';

/** What a search found: of each query its k hits, the best first. */
export interface NativeHits {
  similarities: Float32Array;
  rows: Int32Array;
}

export interface EngineAddon {
  info(): EngineInfo;
  memory(): MemoryInfo;
  /** Forgets the peak. */
  resetPeak(): void;
  /** Process-wide limit in bytes of the engine's allocator; null lifts it. */
  setMemoryLimit(bytes: number | null): void;
  /** Threads for all later work (an integer from 1). */
  setThreads(threads: number): Promise<void>;
  /** Exact counts of native objects of the whole process that are not yet freed. */
  liveObjects(): { models: number; datasets: number; trainers: number; vectors: number; searches: number };
  /** For tests: the nth allocation from now on (1 is the next) fails as if there were no memory; 0 ends that. */
  failAllocation(nth: number): void;

  /** GPUs that this process can compute on. */
  devices(): Promise<GpusInfo>;
  /**
   * Makes sure that a device is there, else ERR_DEVICE_UNAVAILABLE, and bounds the process's share of its memory, unless
   * `fraction` is null; a GPU's can be set only before its first use. Gives null, and for 'cpu-tensors', which has no
   * allocator of its own, that share as a `memoryLimit` for trainers.
   */
  useDevice(device: NativeDevice, fraction: number | null): Promise<number | null>;
  deviceMemory(device: NativeDevice, resetPeak: boolean): Promise<DeviceMemory>;
  /**
   * For tests: the nth look at a device's health from now on (1 is the next) fails as if its driver had reported an
   * error; 0 ends that, and what was lost is found again.
   */
  failDevice(nth: number): void;

  /** Checksum of a file's content, 16 hexadecimal digits. */
  checksum(path: string): Promise<string>;
  /**
   * Takes the lock of a file, which is made where it is missing, and writes who has it: {"pid", "host", "since"}, the
   * last in seconds since 1970. Gives a number for `unlockFile`, or null where someone else has the lock. It ends
   * with the environment at the latest.
   */
  lockFile(path: string): Promise<number | null>;
  /** Whether there was such a lock. */
  unlockFile(lock: number): boolean;

  /** Reads weights, or, with `files` empty, draws them N(0, 0.02) from `seed` (norms 1/0, biases 0). */
  createModel(spec: NativeModelSpec, files: WeightFile[], seed: number): Promise<ModelHandle>;
  /** In the flat buffer's order. */
  parameters(model: ModelHandle): ParameterInfo[];
  /** Names of the tensors of its files that no parameter claims, without the prefix of a model with a head. */
  unusedTensors(model: ModelHandle): string[];
  /** Writes safetensors with `{"format":"pt"}`: fp32 weights, a piece at a time where they are kept in bf16, and unused tensors bitwise as read. */
  saveModel(model: ModelHandle, files: SaveFile[]): Promise<void>;
  /** Checksum of all parameters, 16 hexadecimal digits. */
  fingerprint(model: ModelHandle): Promise<string>;
  /**
   * Texts as token ids, text i = ids[offsets[i] .. offsets[i+1]), packed in the order given.
   * Returns [texts × dimension]. Zero tokens in a text is refused. `promptTokens` at the beginning of each text are left out
   * of the pooling, but never its last token; default 0.
   */
  embed(
    model: ModelHandle,
    ids: Int32Array,
    offsets: Int32Array,
    precision: EmbeddingPrecision,
    device?: NativeDevice,
    promptTokens?: number,
  ): Promise<Float32Array>;
  /**
   * For parity: writes the tensors `hidden.0` (embedding layer) … `hidden.N` [tokens × hidden],
   * `pooled` and `embedding` [texts × dimension] of one packed forward (dropout off) to a safetensors file.
   */
  traceForward(
    model: ModelHandle,
    ids: Int32Array,
    offsets: Int32Array,
    path: string,
    precision?: NativePrecision,
    device?: NativeDevice,
  ): Promise<void>;
  /**
   * A model of the weighted mean of the weights of models of one shape; `shares` are from 0 and add up to 1. 'spherical':
   * of each parameter the mean of the lengths in the mean of the directions (of two models slerp). What all models agree in
   * stays to the bit.
   */
  mergeModels(models: ModelHandle[], shares: number[], merging: Merging): Promise<ModelHandle>;
  disposeModel(model: ModelHandle): void;

  /**
   * Training data: texts as for `embed`, each there once, and rows of 1…n columns, where row r names the texts
   * columns[rowOffsets[r] .. rowOffsets[r + 1]). `labels` has as many numbers for each row, or none for any: a score, a
   * class, or what else the loss asks for. A pair is a row of two columns. `sets` are rows in their order, each set with a
   * loss of its own and as many numbers for each of its rows; rows that are computed together are of one. Default: one set.
   * `unpooled` are of each text the tokens at its beginning that no pooling sees, but never its last one; default none.
   */
  createDataset(
    ids: Int32Array,
    offsets: Int32Array,
    columns: Int32Array,
    rowOffsets: Int32Array,
    labels: Float32Array,
    sets?: readonly RowSet[],
    unpooled?: Int32Array,
  ): Promise<DatasetHandle>;
  disposeDataset(dataset: DatasetHandle): void;

  /** Copies the model's weights; the model itself changes only by `commit`. */
  createTrainer(model: ModelHandle, dataset: DatasetHandle, options: TrainerOptions): Promise<TrainerHandle>;
  /**
   * One optimiser step. On any error (out of memory included) weights, moments and counts are as before. null where
   * `after` is given and another number of steps has been taken: nothing was done then.
   */
  step<R extends StepRequest>(trainer: TrainerHandle, request: R): Promise<StepOutcome<R>>;
  /**
   * The first phase of a step, of rows of as many texts each. Where the loss is 'given', the step itself gets the same
   * rows, micro-batch and epoch with `given`; what the passes keep in between is used where nothing else was asked of the
   * trainer, and computed again to the bit else.
   */
  vectors(trainer: TrainerHandle, rows: Int32Array, microBatch: number, epoch: number): Promise<StepVectors>;
  /**
   * Forward, backward and the optimiser's buffers for `rows` at once, as a step would need them;
   * weights, moments, step count and random state are left bitwise as they were, buffers are released.
   */
  probe(trainer: TrainerHandle, rows: Int32Array): Promise<void>;
  /**
   * Loss and similarities of the rows under the trainer's weights, dropout off. A loss that looks at whole batches sees
   * `batch` rows at a time, in the order given.
   */
  evaluate(trainer: TrainerHandle, rows: Int32Array, microBatch: number, batch: number): Promise<Evaluation>;
  /** Vectors [texts × dimension] of texts of the dataset, by their numbers, dropout off; `atOnce` are computed together. */
  embedTexts(trainer: TrainerHandle, texts: Int32Array, atOnce: number): Promise<Float32Array>;
  /**
   * Until it is called again `evaluate`, `embedTexts` and `commit` have (1 - share) · base + share · trained in place of the
   * trained weights, base being what training began with (`keepBase`). A step is refused until it is 1 again: the trained
   * weights to the bit. On any error the weights are as before.
   */
  blend(trainer: TrainerHandle, share: number): Promise<void>;
  /** Gives the trainer's weights to the model (decay of unused embedding rows replayed). */
  commit(trainer: TrainerHandle): Promise<void>;
  /** Copies all that training changes, for `writeCopy`; ERR_OUT_OF_MEMORY where there is no room beside it. */
  copyState(trainer: TrainerHandle): Promise<void>;
  /**
   * Writes the copy to a safetensors file and flushes it to disk, while the engine does other work; the copy is freed.
   * Gives the file's checksum. On any error no file is left.
   */
  writeCopy(trainer: TrainerHandle, path: string): Promise<string>;
  /** The same without a copy: the engine waits for the disk. */
  writeState(trainer: TrainerHandle, path: string): Promise<string>;
  /**
   * Goes on from such a file, the model's weights included; on any error all is as before. `replayDecay`: the model
   * has the weights from before training, so embedding rows that no text uses get the decay of the steps since.
   */
  restoreState(trainer: TrainerHandle, path: string, replayDecay: boolean): Promise<void>;
  /** Another `memoryLimit`, from the next call on. */
  setTrainerLimit(trainer: TrainerHandle, bytes: number | null): void;
  /** Whether this trainer's calls keep the process alive, those that are running too; at first they do. */
  keepAlive(trainer: TrainerHandle, wanted: boolean): void;
  /** The running call, and those queued, of this trainer fail with ERR_ABORTED within a layer's time. */
  cancel(trainer: TrainerHandle): void;
  trainerStats(trainer: TrainerHandle): TrainerStats;
  /** For parity: runs forward and backward of `rows` and writes every gradient by name (full tables). */
  traceGradients(trainer: TrainerHandle, rows: Int32Array, microBatch: number, path: string): Promise<number>;
  disposeTrainer(trainer: TrainerHandle): void;

  /**
   * Room for vectors of `width` numbers (65,536 at most), at first none. Of bits `width` are bytes, in whole words of 8; how
   * similar they are is how many bits differ, negative, whatever the similarity.
   */
  createVectors(width: number, type: 'fp32' | 'int8' | 'bits', similarity: SearchSimilarity): Promise<VectorsHandle>;
  /**
   * Adds whole vectors of that type, one behind the other. Where one has a number that is not finite, or is longer than
   * 1.8e19, none is added.
   */
  appendVectors(vectors: VectorsHandle, numbers: Float32Array | Int8Array | Uint8Array): Promise<void>;
  /** Vectors by their numbers, as they are kept, one behind the other. */
  readVectors(vectors: VectorsHandle, rows: Int32Array): Promise<Float32Array | Int8Array | Uint8Array>;
  /**
   * Searches the first `count` vectors, or all, for the k most similar of each query (of equal ones the earlier), or all
   * where there are fewer. The work is done by `searchStep`.
   */
  createSearch(
    vectors: VectorsHandle,
    queries: Float32Array | Int8Array | Uint8Array,
    k: number,
    count: number,
  ): Promise<SearchHandle>;
  /** Some hundredths of a second of it; gives how many vectors have been searched. */
  searchStep(search: SearchHandle): Promise<number>;
  /** Once all have been. */
  hits(search: SearchHandle): Promise<NativeHits>;
  disposeVectors(vectors: VectorsHandle): void;
  disposeSearch(search: SearchHandle): void;
}

/** How the weights of models become those of one. */
export type Merging = 'linear' | 'spherical';

/** `code` of errors that the addon rejects with; `lib/system/errors.ts` gives each its class. */
export type NativeErrorCode =
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_ABORTED'
  | 'ERR_SAFETENSORS'
  | 'ERR_FILE'
  | 'ERR_DISPOSED'
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_DEVICE_LOST'
  | 'ERR_NATIVE';
