import { Random, Stream } from '../data/random';
import type { EngineAddon, ModelHandle, NativeDevice } from '../engine/addon';
import type { EventContent } from './events';
import type { RandomPairs } from './report';
import type { TokenisedTexts } from '../tokenisation/tokenised-texts';

/** Texts that are compared, at most and (where there are so many) at least; between them, one in eight training rows. */
const mostTexts = 256;
const fewestTexts = 16;
/** Texts of one call of the engine, so that others get their turn in between. */
const textsAtOnce = 32;

/**
 * The share of the way to 1 that the mean cosine of random pairs may go. Measured on all-MiniLM-L6-v2: with 400 Quora
 * duplicates it goes 0.68 of the way in one epoch and 0.99 in twenty, with 380 duplicates and 20 others 0.32; with labelled
 * Quora rows and graded STSb rows it goes none of it, and with the help desk of `npm start` 0.15.
 */
export const COLLAPSE_BOUND = 0.25;

export interface RandomPairsRequest {
  addon: Pick<EngineAddon, 'embed'>;
  model: ModelHandle;
  device: NativeDevice;
  tokens: TokenisedTexts;
  /** Training rows, and the text that stands for a row. */
  rows: Int32Array;
  textOf: (row: number) => number;
  seed: number;
  /** Whether the run is to stop: nothing more is begun then. */
  stopped: () => boolean;
  emit: (event: EventContent) => void;
}

/** Watches whether training makes all texts alike. */
export class RandomPairsWatch {
  readonly #request: RandomPairsRequest;
  readonly #texts: readonly Int32Array[];
  #told = false;

  constructor(request: RandomPairsRequest) {
    this.#request = request;
    this.#texts = draw(request);
  }

  /** The untrained model; null where there are no two different texts. */
  async begin(): Promise<RandomPairs | null> {
    if (this.#texts.length < 2) return null;
    const before = await this.#measure();
    return { texts: this.#texts.length, before, after: before };
  }

  /** The model with the weights of an epoch; tells once that they are too far from those that training began with. */
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
    const { addon, model, device, stopped } = this.#request;
    const sum: number[] = [];
    let texts = 0;
    for (let first = 0; first < this.#texts.length; first += textsAtOnce) {
      if (stopped()) return null;
      const part = this.#texts.slice(first, first + textsAtOnce);
      const vectors = await addon.embed(model, join(part), offsetsOf(part), 'fp32', device).catch(() => null);
      if (vectors === null) return null;
      const width = vectors.length / part.length;
      for (let text = 0; text < part.length; ++text, ++texts) {
        const vector = vectors.subarray(text * width, (text + 1) * width);
        const norm = Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
        for (let i = 0; i < width; ++i) sum[i] = (sum[i] ?? 0) + (norm === 0 ? 0 : vector[i]! / norm);
      }
    }
    // |Σu|² has each text's 1 with itself, and each pair's cosine twice.
    const squared = sum.reduce((total, value) => total + value * value, 0);
    const mean = (squared - texts) / (texts * (texts - 1));
    return Number.isFinite(mean) ? Math.max(-1, Math.min(1, mean)) : null;
  }
}

/** Whether the mean cosine of random pairs went further towards 1 than training that does good takes it. */
export function hasCollapsed(before: number, after: number): boolean {
  return after - before > COLLAPSE_BOUND * (1 - before);
}

/** Different texts, at most one of a row, in an order that the seed alone decides. */
function draw({ tokens, rows, textOf, seed }: RandomPairsRequest): Int32Array[] {
  const wanted = Math.min(mostTexts, Math.max(fewestTexts, rows.length >> 3));
  const order = Random.of(seed, Stream.RandomPairs).shuffle(rows.slice());
  const seen = new Set<string>();
  const texts: Int32Array[] = [];
  // Where almost all texts are equal, the search for others ends some time.
  for (const row of order.subarray(0, 8 * wanted)) {
    const text = textOf(row);
    const ids = tokens.ids.subarray(tokens.offsets[text], tokens.offsets[text + 1]);
    const key = ids.join();
    if (seen.has(key)) continue;
    seen.add(key);
    texts.push(ids);
    if (texts.length === wanted) break;
  }
  return texts;
}

function join(texts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(texts.reduce((total, text) => total + text.length, 0));
  let at = 0;
  for (const text of texts) {
    all.set(text, at);
    at += text.length;
  }
  return all;
}

function offsetsOf(texts: readonly Int32Array[]): Int32Array {
  const offsets = new Int32Array(texts.length + 1);
  texts.forEach((text, i) => {
    offsets[i + 1] = offsets[i]! + text.length;
  });
  return offsets;
}
