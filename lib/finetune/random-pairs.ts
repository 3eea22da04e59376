import { Random, Stream } from '../data/random';
import { cosineSimilarity, type Vector } from '../embed/similarity';
import type { EngineAddon, TrainerHandle } from '../engine/addon';
import { AT_ONCE, type Turns } from '../system/turns';
import { spearman } from '../evaluate/metrics/correlation';
import type { EventContent } from './events';
import type { RandomPairs } from './report';
import { TELLING_PAIRS } from '../report/sections/drift';
import type { TokenisedRows } from './tokens';
import { fromText, toText } from './units';

/** Pairs that are compared, at most and (where there are so many) at least; between them, one for 8 training rows. */
const MOST_PAIRS = 512;
const FEWEST_PAIRS = 64;
/** Texts that they are made of, at most: embedding them is what it costs, and a text may be in several pairs. */
const MOST_TEXTS = 256;
/** Texts of one call of the engine, so that others get their turn in between. */
const TEXTS_AT_ONCE = 32;

/**
 * The share of the way to 1 that the mean cosine of random pairs may go. Measured on all-MiniLM-L6-v2: with 400 Quora
 * duplicates it goes 0.68 of the way in one epoch and 0.99 in twenty, with 380 duplicates and 20 others 0.32; with labelled
 * Quora rows and graded STSb rows it goes none of it, and with the help desk of `npm start` 0.15.
 */
const COLLAPSE_BOUND = 0.25;

/**
 * Pairs of different texts of training rows that no row has together, one behind the other, drawn by the seed alone: of any
 * of a row's texts, whatever their form. Pairs may share a text, no two have both. None where there are no such texts.
 */
export function* drawRandomPairs(
  { columns, rowOffsets }: Pick<TokenisedRows, 'columns' | 'rowOffsets'>,
  training: Int32Array,
  seed: number,
): Turns<Int32Array> {
  const wanted = Math.min(MOST_PAIRS, Math.max(FEWEST_PAIRS, training.length >> 3));
  const random = Random.of(seed, Stream.RandomPairs);
  const shuffled = yield* random.shuffling(training.slice());
  /** Place of each text among those drawn. */
  const drawn = new Map<number, number>();
  // Where almost all rows have one text, the search for others ends some time.
  for (let i = 0; i < Math.min(4 * shuffled.length, 8 * MOST_TEXTS); ++i) {
    const row = shuffled[i % shuffled.length]!;
    const text = columns[rowOffsets[row]! + random.below(rowOffsets[row + 1]! - rowOffsets[row]!)]!;
    if (!drawn.has(text)) drawn.set(text, drawn.size);
    if (drawn.size === Math.min(MOST_TEXTS, 2 * wanted)) break;
  }
  const mates = yield* rowMates({ columns, rowOffsets }, training, drawn);
  const texts = [...drawn.keys()];
  const count = texts.length;
  const pairs: number[] = [];
  // Each with the one so many places behind it, those first that leave no text in two pairs.
  for (let step = 1; step <= count >> 1; ++step)
    for (let k = 0; k < count && pairs.length < 2 * wanted; ++k) {
      const i = 2 * k < count ? 2 * k : 2 * (k - ((count + 1) >> 1)) + 1;
      const j = (i + step) % count;
      // Halfway round the second half would be the first again.
      if ((2 * step === count && i >= step) || mates.has(keyOf(i, j))) continue;
      pairs.push(texts[i]!, texts[j]!);
    }
  return Int32Array.from(pairs);
}

/** Two places as one number, whichever comes first. */
const keyOf = (a: number, b: number): number => Math.min(a, b) * MOST_TEXTS + Math.max(a, b);

/** Which of the drawn texts, by their places, stand in one row. */
function* rowMates(
  { columns, rowOffsets }: Pick<TokenisedRows, 'columns' | 'rowOffsets'>,
  training: Int32Array,
  drawn: ReadonlyMap<number, number>,
): Turns<Set<number>> {
  const mates = new Set<number>();
  for (const [i, row] of training.entries()) {
    if (i % AT_ONCE === 0) yield;
    const places: number[] = [];
    for (let at = rowOffsets[row]!; at < rowOffsets[row + 1]!; ++at) {
      const place = drawn.get(columns[at]!);
      if (place === undefined) continue;
      for (const other of places) mates.add(keyOf(place, other));
      places.push(place);
    }
  }
  return mates;
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
    // A checkpoint of an earlier version has others.
    if (pairs.pairs !== this.#request.texts.length / 2)
      return { ...pairs, after: null, spearman: null, meanChange: null };
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
    const vectors = new Map<number, Vector>();
    const distinct = Int32Array.from(new Set(texts));
    for (let first = 0; first < distinct.length; first += TEXTS_AT_ONCE) {
      if (stopped()) return null;
      const part = distinct.subarray(first, first + TEXTS_AT_ONCE);
      // Two texts at once need the least memory, and take hardly longer.
      const found = await addon.embedTexts(trainer, part, 2).catch(() => null);
      if (found === null) return null;
      const width = found.length / part.length;
      part.forEach((text, i) => vectors.set(text, found.subarray(i * width, (i + 1) * width)));
    }
    const similarities = Array.from({ length: texts.length / 2 }, (_, i) =>
      cosineSimilarity(vectors.get(texts[2 * i]!)!, vectors.get(texts[2 * i + 1]!)!),
    );
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
    order === null || pairs < TELLING_PAIRS
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
