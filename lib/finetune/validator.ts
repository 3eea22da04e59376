import type { Evaluation } from '../engine/addon';
import { fromNative, hasCode } from '../system/errors';
import { isPairs, type TrainingData } from '../data/form';
import { lossAlone, rankingOf, twoValues, validationMetrics, type ValidationMetrics } from './metrics';

/** Rows of one call of the engine, so that other work (an `embed`) gets its turn in between; whole batches of them. */
const rowsAtOnce = 512;

export interface ValidatorOptions {
  /** Rows to validate with; may be none. */
  rows: Int32Array;
  /** Rows of a training step. A loss that looks at whole batches is measured on batches of as many. */
  batch: number;
  /** The whole data set. */
  data: TrainingData;
  /** Loss of the rows, and cosine similarities of each row's first text with its others, under the weights as they stand. */
  evaluate: (rows: Int32Array, microBatch: number) => Promise<Pick<Evaluation, 'loss' | 'similarities'>>;
  onProgress: (epoch: number, done: number) => void;
  /** Is given the rows' similarities, in their order, before what is measured of them is told. */
  onMeasured?: ((similarities: Float32Array) => void) | undefined;
  /** Validation did not fit in memory with `before` rows at once and goes on with `after`. */
  onSplit: (epoch: number, before: number, after: number) => void;
  /** Waits while the run is paused; throws if it is to stop. */
  ready: () => Promise<void>;
}

/** Measures the weights on the validation rows. */
export class Validator {
  readonly #options: ValidatorOptions;
  readonly #classes: readonly [number, number] | null;
  #microBatch: number;

  constructor(options: ValidatorOptions, microBatch: number) {
    this.#options = options;
    this.#classes = isPairs(options.data.form) ? twoValues(options.data.labels) : null;
    this.#microBatch = microBatch;
  }

  /** Rows computed at once; running out of memory halves them. */
  get microBatch(): number {
    return this.#microBatch;
  }

  get rows(): number {
    return this.#options.rows.length;
  }

  async measure(epoch: number): Promise<ValidationMetrics> {
    const { rows, batch, data, onProgress, onSplit, ready } = this.#options;
    const atOnce = batch * Math.max(1, Math.floor(rowsAtOnce / batch));
    const widths = Int32Array.from(rows, (row) => data.rows[row]!.length - 1);
    const similarities = new Float32Array(widths.reduce((sum, width) => sum + width, 0));
    let loss = 0;
    let filled = 0;
    for (let done = 0; done < rows.length; ) {
      await ready();
      const part = rows.subarray(done, done + atOnce);
      try {
        const found = await this.#options.evaluate(part, this.#microBatch);
        similarities.set(found.similarities, filled);
        filled += found.similarities.length;
        loss += (found.loss * part.length) / rows.length;
      } catch (error) {
        const failure = fromNative(error);
        if (!hasCode(failure, 'ERR_OUT_OF_MEMORY') || this.#microBatch === 1) throw failure;
        const before = this.#microBatch;
        this.#microBatch = Math.max(1, Math.floor(Math.min(before, part.length) / 2));
        onSplit(epoch, before, this.#microBatch);
        continue;
      }
      done += part.length;
      onProgress(epoch, done);
    }
    await ready();
    this.#options.onMeasured?.(similarities);
    return isPairs(data.form)
      ? validationMetrics(
          loss,
          similarities,
          Array.from(rows, (row) => data.labels[row]!),
          this.#classes,
        )
      : { ...lossAlone(loss), ...(data.form === 'triplets' && rankingOf(similarities, widths)) };
  }
}
