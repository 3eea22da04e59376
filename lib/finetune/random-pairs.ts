import { Random, Stream } from '../data/random';
import type { EngineAddon, TrainerHandle } from '../engine/addon';
import type { EventContent } from './events';
import type { RandomPairs } from './report';

/** Pairs that are compared, at most and (where there are so many) at least; between them, one for 16 training rows. */
const mostPairs = 128;
const fewestPairs = 8;
/** Pairs of one call of the engine, so that others get their turn in between. */
const pairsAtOnce = 16;

/**
 * The share of the way to 1 that the mean cosine of random pairs may go. Measured on all-MiniLM-L6-v2: with 400 Quora
 * duplicates it goes 0.68 of the way in one epoch and 0.99 in twenty, with 380 duplicates and 20 others 0.32; with labelled
 * Quora rows and graded STSb rows it goes none of it, and with the help desk of `npm start` 0.15.
 */
export const COLLAPSE_BOUND = 0.25;

/** Rows by the texts that they name, and their labels; see `TokenisedRows` and `TrainingData`. */
export interface LabelledGroups {
  columns: Int32Array;
  rowOffsets: Int32Array;
  labels: ArrayLike<number>;
  labelWidth: number;
}

/**
 * The rows, and behind them, in `random`, rows of different texts of training rows, drawn by the seed alone; nobody trains on
 * those. They have `width` texts, as the loss wants them: pairs of the first with each other; none where rows have one text.
 */
export function withRandomPairs(
  { columns, rowOffsets, labels, labelWidth }: LabelledGroups,
  width: number,
  training: Int32Array,
  seed: number,
): { columns: Int32Array; rowOffsets: Int32Array; labels: Float32Array; random: Int32Array } {
  const wanted = width < 2 ? 0 : width * Math.min(mostPairs, Math.max(fewestPairs, training.length >> 4));
  const drawn = new Set<number>();
  // Where almost all rows begin with one text, the search for others ends some time.
  for (const row of Random.of(seed, Stream.RandomPairs)
    .shuffle(training.slice())
    .subarray(0, 8 * wanted)) {
    drawn.add(columns[rowOffsets[row]!]!);
    if (drawn.size === wanted) break;
  }
  const texts = wanted === 0 ? [] : [...drawn].slice(0, drawn.size - (drawn.size % width));
  const added = texts.length / Math.max(1, width);
  const rows = rowOffsets.length - 1;
  const allColumns = new Int32Array(columns.length + texts.length);
  allColumns.set(columns);
  allColumns.set(texts, columns.length);
  const allOffsets = new Int32Array(rowOffsets.length + added);
  allOffsets.set(rowOffsets);
  for (let i = 0; i < added; ++i) allOffsets[rowOffsets.length + i] = columns.length + width * (i + 1);
  const allLabels = new Float32Array((rows + added) * labelWidth);
  allLabels.set(labels);
  return {
    columns: allColumns,
    rowOffsets: allOffsets,
    labels: allLabels,
    random: Int32Array.from({ length: added }, (_, i) => rows + i),
  };
}

export interface RandomPairsRequest {
  addon: Pick<EngineAddon, 'evaluate'>;
  trainer: TrainerHandle;
  /** Rows of the trainer's data set, and pairs in each: of its first text with each other. */
  rows: Int32Array;
  pairsOfRow: number;
  /** Whether the run is to stop: nothing more is begun then. */
  stopped: () => boolean;
  emit: (event: EventContent) => void;
}

/** Watches whether training makes all texts alike. It asks for no memory but what validation has. */
export class RandomPairsWatch {
  readonly #request: RandomPairsRequest;
  #told = false;

  constructor(request: RandomPairsRequest) {
    this.#request = request;
  }

  /** The untrained model; null where there are no two different texts. */
  async begin(): Promise<RandomPairs | null> {
    const { rows } = this.#request;
    if (rows.length === 0) return null;
    const before = await this.#measure();
    return { pairs: rows.length * this.#request.pairsOfRow, before, after: before };
  }

  /** The weights of an epoch that the model took; tells once that they are too far from those that training began with. */
  async look(epoch: number, pairs: RandomPairs | null): Promise<RandomPairs | null> {
    if (pairs === null || this.#request.stopped()) return pairs;
    const after = await this.#measure();
    const { before } = pairs;
    if (!this.#told && before !== null && after !== null && hasCollapsed(before, after)) {
      this.#told = true;
      this.#request.emit({
        type: 'collapse',
        epoch,
        before,
        after,
        message:
          `Texts that have nothing to do with each other become alike: their mean similarity rose from ` +
          `${before.toFixed(2)} to ${after.toFixed(2)}, and the model tells them apart less well than before. ` +
          'Add pairs that are not alike, with low scores, or train less',
      });
    }
    return { ...pairs, after };
  }

  /** Never rejects: what is only looked at must not end a run. */
  async #measure(): Promise<number | null> {
    const { addon, trainer, rows, stopped } = this.#request;
    let sum = 0;
    for (let first = 0; first < rows.length; first += pairsAtOnce) {
      if (stopped()) return null;
      const part = rows.subarray(first, first + pairsAtOnce);
      // One pair at once needs the least memory, and takes hardly longer.
      const measured = await addon.evaluate(trainer, part, 1, 1).catch(() => null);
      if (measured === null) return null;
      for (const cosine of measured.similarities) sum += cosine;
    }
    return Number.isFinite(sum) ? sum / (rows.length * this.#request.pairsOfRow) : null;
  }
}

/** Whether the mean cosine of random pairs went further towards 1 than training that does good takes it. */
export function hasCollapsed(before: number, after: number): boolean {
  return after - before > COLLAPSE_BOUND * (1 - before);
}
