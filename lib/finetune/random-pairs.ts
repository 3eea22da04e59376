import { Random, Stream } from '../data/random';
import { cosineSimilarity } from '../embed/similarity';
import type { EngineAddon, TrainerHandle } from '../engine/addon';
import type { Turns } from '../system/turns';
import { spearman } from '../evaluate/metrics/correlation';
import type { EventContent } from './events';
import type { RandomPairs } from './report';
import type { TokenisedRows } from './tokens';
import { fromText, toText } from './units';

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

/**
 * Pairs of different texts of training rows, one behind the other, drawn by the seed alone: rows' first texts, whatever
 * their form. None where all begin with one text.
 */
export function* drawRandomPairs(
  { columns, rowOffsets }: Pick<TokenisedRows, 'columns' | 'rowOffsets'>,
  training: Int32Array,
  seed: number,
): Turns<Int32Array> {
  const wanted = 2 * Math.min(mostPairs, Math.max(fewestPairs, training.length >> 4));
  const drawn = new Set<number>();
  // Where almost all rows begin with one text, the search for others ends some time.
  const shuffled = yield* Random.of(seed, Stream.RandomPairs).shuffling(training.slice());
  for (const row of shuffled.subarray(0, 8 * wanted)) {
    drawn.add(columns[rowOffsets[row]!]!);
    if (drawn.size === wanted) break;
  }
  return Int32Array.from([...drawn].slice(0, drawn.size - (drawn.size % 2)));
}

export interface RandomPairsRequest {
  addon: Pick<EngineAddon, 'embedTexts'>;
  trainer: TrainerHandle;
  /** Texts of the trainer's data set: pairs, one behind the other. */
  texts: Int32Array;
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
  async begin(): Promise<WatchedPairs | null> {
    const { texts } = this.#request;
    if (texts.length === 0) return null;
    const before = await this.#measure();
    const mean = meanOf(before);
    return {
      pairs: texts.length / 2,
      before: mean,
      after: mean,
      spearman: before === null ? null : 1,
      meanChange: before === null ? null : 0,
      similarities: before === null ? null : toText(before),
    };
  }

  /** The weights of an epoch that the model took; tells once that they are too far from those that training began with. */
  async look(epoch: number, pairs: WatchedPairs | null): Promise<WatchedPairs | null> {
    if (pairs === null || this.#request.stopped()) return pairs;
    const now = await this.#measure();
    const after = meanOf(now);
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
    return { ...pairs, after, ...movedBetween(pairs.similarities == null ? null : fromText(pairs.similarities), now) };
  }

  /** Never rejects: what is only looked at must not end a run. */
  async #measure(): Promise<Float32Array | null> {
    const { addon, trainer, texts, stopped } = this.#request;
    const similarities: number[] = [];
    for (let first = 0; first < texts.length; first += 2 * pairsAtOnce) {
      if (stopped()) return null;
      const part = texts.subarray(first, first + 2 * pairsAtOnce);
      // One pair at once needs the least memory, and takes hardly longer.
      const vectors = await addon.embedTexts(trainer, part, 2).catch(() => null);
      if (vectors === null) return null;
      const width = vectors.length / part.length;
      const of = (i: number): Float32Array => vectors.subarray(i * width, (i + 1) * width);
      for (let i = 0; i < part.length; i += 2) similarities.push(cosineSimilarity(of(i), of(i + 1)));
    }
    return similarities.every(Number.isFinite) ? Float32Array.from(similarities) : null;
  }
}

/** What a run keeps of the pairs while it goes on, and its checkpoints with it. */
export interface WatchedPairs extends RandomPairs {
  /** Similarities of the untrained model (units.ts); null where there are none, absent in checkpoints of earlier versions. */
  similarities?: string | null;
}

/** Without what is kept for a checkpoint. A checkpoint of an earlier version has none, or less. */
export function reported(pairs: WatchedPairs | null | undefined): RandomPairs | null {
  if (pairs === null || pairs === undefined) return null;
  const { similarities: _similarities, spearman: order = null, meanChange = null, ...rest } = pairs;
  return { ...rest, spearman: order, meanChange };
}

function meanOf(similarities: Float32Array | null): number | null {
  if (similarities === null) return null;
  let sum = 0;
  for (const one of similarities) sum += one;
  return sum / similarities.length;
}

/** How far similarities moved. */
function movedBetween(
  before: Float32Array | null,
  after: Float32Array | null,
): Pick<RandomPairs, 'spearman' | 'meanChange'> {
  if (before === null || after === null || before.length !== after.length) return { spearman: null, meanChange: null };
  let sum = 0;
  for (let i = 0; i < before.length; ++i) sum += Math.abs(after[i]! - before[i]!);
  return { spearman: spearman(before, after), meanChange: sum / before.length };
}

/** How far the pairs of a report moved, for a person; undefined where it was not measured. */
export function driftWords({ pairs, before, after, spearman: order, meanChange }: RandomPairs): string | undefined {
  if (before === null || after === null || meanChange === null) return undefined;
  const moved =
    order === null
      ? ''
      : order > 0.95
        ? ', in almost the same order as before'
        : order > 0.8
          ? ', mostly in the order of before'
          : order > 0.5
            ? ', in an order that has changed much'
            : ', in another order: the model sees other things in texts than it did';
  return (
    `${pairs} random pairs of your texts: their similarities moved by ${meanChange.toFixed(3)} on average ` +
    `(mean ${before.toFixed(3)} before, ${after.toFixed(3)} now)${moved}` +
    `${order === null ? '' : ` (Spearman ${order.toFixed(2)})`}`
  );
}

/** Whether the mean cosine of random pairs went further towards 1 than training that does good takes it. */
export function hasCollapsed(before: number, after: number): boolean {
  return after - before > COLLAPSE_BOUND * (1 - before);
}
