import type { DatasetHandle, EngineAddon, ModelHandle, TrainerHandle } from '../../../lib/engine/addon';
import type { NativeModelSpec } from '../../../lib/engine/model-spec';
import type { StepRequest, StepResult, TrainerOptions } from '../../../lib/engine/training';
import type { TrainableModel } from '../../../lib/finetune/trainable-model';

/**
 * An engine of pure control flow: one queue, work that takes event-loop turns, memory counted in rows, "weights"
 * that are the list of steps taken. For tests of order, memory and stopping; nothing is learned.
 */
export class FakeEngine {
  /** Rows that fit at once. */
  capacity = Infinity;
  /** Turns of the event loop that a call takes. */
  turns = 1;
  /** Validation error by number of committed or pending epochs: similarity = score + error. */
  errors: number[] = [];
  /** Is asked before each step is computed; may change `capacity` or throw. */
  beforeStep: (request: StepRequest, index: number) => void = () => undefined;

  readonly calls: string[] = [];
  readonly probed: number[][] = [];
  /** Steps whose effect is in the trainer's weights, and how many of them the model has. */
  readonly applied: StepRequest[] = [];
  committed = 0;
  commits = 0;
  mostQueued = 0;
  live = { models: 1, datasets: 0, trainers: 0 };
  trainerOptions: TrainerOptions | undefined;

  #queue: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #cancelled = false;
  #asked = 0;
  #scores: Float32Array = new Float32Array(0);
  #evaluations = 0;

  #run<T>(name: string, work: () => T): Promise<T> {
    this.calls.push(name);
    if (this.live.trainers === 0) throw coded('ERR_DISPOSED', `${name} after dispose`);
    this.mostQueued = Math.max(this.mostQueued, ++this.#queued);
    const result = this.#queue.then(async () => {
      try {
        for (let i = 0; i < this.turns; ++i) {
          if (this.#cancelled) throw coded('ERR_ABORTED', 'the work was cancelled');
          await new Promise(setImmediate);
        }
        if (this.#cancelled) throw coded('ERR_ABORTED', 'the work was cancelled');
        return work();
      } finally {
        --this.#queued;
      }
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #need(rows: number): void {
    if (rows > this.capacity) throw coded('ERR_OUT_OF_MEMORY', `no room for ${rows} rows`);
  }

  readonly addon = {
    info: () => ({
      libtorch: '2.11.0',
      addon: '0.1.0',
      simd: 'plain',
      gemm: 'aten',
      bf16: false,
      int8: false,
      threads: 2,
    }),
    memory: () => ({ inUse: 0, peak: 0, limit: null }),
    parameters: () =>
      [
        'embeddings.word_embeddings.weight',
        'encoder.layer.0.output.dense.weight',
        'encoder.layer.1.output.dense.weight',
      ].map((name) => ({ name, shape: [2, 2] })),
    createDataset: async (
      _ids: Int32Array,
      _offsets: Int32Array,
      _columns: Int32Array,
      _rowOffsets: Int32Array,
      labels: Float32Array,
    ) => {
      this.#scores = labels;
      ++this.live.datasets;
      return {} as DatasetHandle;
    },
    disposeDataset: () => {
      --this.live.datasets;
    },
    createTrainer: async (_model: ModelHandle, _dataset: DatasetHandle, options: TrainerOptions) => {
      this.trainerOptions = options;
      this.#cancelled = false;
      ++this.live.trainers;
      return {} as TrainerHandle;
    },
    disposeTrainer: () => {
      --this.live.trainers;
    },
    trainerStats: () => ({
      steps: this.applied.length,
      parameters: 135127808,
      trainableParameters: 135127808,
      optimisedParameters: 12,
      bytes: 4 * (135127808 + 3 * 12),
      workspaceRows: 0,
      workspaceBytes: 0,
      workspaceGrowths: 0,
    }),
    setTrainerLimit: () => undefined,
    keepAlive: () => undefined,
    step: (_: TrainerHandle, request: StepRequest): Promise<StepResult | null> => {
      const index = this.#asked++;
      return this.#run('step', () => {
        if (request.after !== undefined && request.after !== this.applied.length) return null;
        this.beforeStep(request, index);
        // So many tokens were probed.
        if (request.microTokens === undefined) this.#need(Math.min(request.microBatch, request.rows.length));
        this.applied.push(request);
        return { loss: 1 / this.applied.length, gradientNorm: null, tokens: 10 * request.rows.length };
      });
    },
    probe: (_: TrainerHandle, rows: Int32Array) =>
      this.#run('probe', () => {
        this.probed.push([...rows]);
        this.#need(rows.length);
      }),
    evaluate: (_: TrainerHandle, rows: Int32Array, microBatch: number) =>
      this.#run('evaluate', () => {
        this.#need(Math.min(microBatch, rows.length));
        const error = this.errors[this.#evaluations++] ?? 0;
        return { loss: error ** 2, similarities: Float32Array.from(rows, (row) => this.#scores[row]! + error) };
      }),
    // Of random pairs of texts, of which the loop only wants to know how near they are.
    embedTexts: (_: TrainerHandle, texts: Int32Array) =>
      Promise.resolve(Float32Array.from(texts, (_text, i) => 1 + (i % 2))),
    commit: () =>
      this.#run('commit', () => {
        this.committed = this.applied.length;
        ++this.commits;
      }),
    cancel: () => {
      this.calls.push('cancel');
      this.#cancelled = true;
    },
  } as unknown as EngineAddon;

  /** A model whose tokeniser gives each text one token per character and two special ones. */
  readonly model: TrainableModel = {
    addon: this.addon,
    handle: {} as ModelHandle,
    device: 'cpu',
    memoryFraction: null,
    id: 'fake',
    spec: {} as NativeModelSpec,
    maxInputLength: 128,
    positions: 512,
    promptOf: (asked) => Promise.resolve({ text: asked ?? '', tokens: 0 }),
    tokeniser: {
      encode: async (texts, maxInputLength) => {
        const lengths = texts.map((text) => Math.min(maxInputLength, text.length + 2));
        const offsets = new Int32Array(texts.length + 1);
        lengths.forEach((length, i) => {
          offsets[i + 1] = offsets[i]! + length;
        });
        return { ids: new Int32Array(offsets.at(-1)!), offsets };
      },
    },
  };
}

/** An error as the addon gives it. */
export function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
