import type { Evaluation } from '../engine/training';
import { fromNative, hasCode } from '../system/errors';
import { isPairs, type TrainingData } from '../data/form';
import { inPieces } from '../evaluate/work';
import { lossAlone, measuring, rankingOf, twoValues } from './metrics';
import type { Vector } from '../embed/similarity';
import { neededTexts, qualityOf, type Measured, type ValidationRows } from './quality';

/** Rows of one call of the engine, so that other work (an `embed`) gets its turn in between; whole batches of them. */
const rowsAtOnce = 512;

export interface ValidatorOptions {
  /** Rows to validate with; may be none. */
  rows: Int32Array;
  /** Rows whose texts are searched among; null: the same. */
  among: Int32Array | null;
  /** Rows of a training step. A loss that looks at whole batches is measured on batches of as many. */
  batch: number;
  /** The whole data set. */
  data: TrainingData;
  /** Its rows by the texts that they name. */
  groups: Pick<ValidationRows, 'columns' | 'rowOffsets'>;
  /** Vectors of texts of the data set, under the weights as they stand, one after the other. */
  embed: (texts: Int32Array, atOnce: number) => Promise<Float32Array>;
  /** Loss of the rows, and cosine similarities of each row's first text with its others, under the weights as they stand. */
  evaluate: (rows: Int32Array, microBatch: number) => Promise<Pick<Evaluation, 'loss' | 'similarities'>>;
  onProgress: (epoch: number, done: number) => void;
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

  async measure(epoch: number): Promise<Measured> {
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
    if (isPairs(data.form)) {
      const scores = Array.from(rows, (row) => data.labels[row]!);
      const metrics = await inPieces(measuring(loss, similarities, scores, this.#classes));
      return { metrics, units: similarities };
    }
    const given = { data, rows, among: this.#options.among, ...this.#options.groups };
    const vectors = await this.vectors(neededTexts(given), epoch);
    const { metrics, units, shown } = await qualityOf(given, vectors, similarities);
    const own = data.form === 'triplets' ? rankingOf(similarities, widths) : {};
    return { metrics: { ...lossAlone(loss), ...own, ...metrics }, units, shown };
  }

  /** Vectors of texts of the data set by their numbers, under the weights as they stand; `onDone` is told how many there are. */
  async vectors(
    texts: Int32Array,
    epoch: number,
    onDone?: (texts: number) => void,
  ): Promise<ReadonlyMap<number, Vector>> {
    const { embed, ready, onSplit } = this.#options;
    const vectors = new Map<number, Vector>();
    for (let done = 0; done < texts.length; ) {
      await ready();
      const part = texts.subarray(done, done + rowsAtOnce);
      const found = await embed(part, 2 * this.#microBatch).catch((error: unknown) => {
        const failure = fromNative(error);
        if (!hasCode(failure, 'ERR_OUT_OF_MEMORY') || this.#microBatch === 1) throw failure;
        return null;
      });
      if (found === null) {
        const before = this.#microBatch;
        this.#microBatch = Math.max(1, Math.floor(before / 2));
        onSplit(epoch, before, this.#microBatch);
        continue;
      }
      const width = found.length / part.length;
      part.forEach((text, i) => vectors.set(text, found.subarray(i * width, (i + 1) * width)));
      done += part.length;
      onDone?.(done);
    }
    return vectors;
  }
}
