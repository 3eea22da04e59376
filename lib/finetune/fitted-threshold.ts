import { cosineSimilarity } from '../embed/similarity';
import type { EngineAddon, ModelHandle, NativePrecision } from '../engine/addon';
import { resolveLoss, type ResolvedLoss } from './losses/choice';
import type { TokenisedRows } from './tokens';

/** Rows that the threshold is of, at most, and texts of one call of the engine. */
const MOST_ROWS = 1000;
const TEXTS_AT_ONCE = 256;
/** Of the logistic loss: the engine's default. */
const SCALE = 20;

export interface ThresholdRequest {
  addon: Pick<EngineAddon, 'embed'>;
  model: ModelHandle;
  device: string;
  precision: NativePrecision;
  tokens: Pick<TokenisedRows, 'ids' | 'offsets' | 'columns' | 'rowOffsets' | 'promptTokens'>;
  labels: ArrayLike<number>;
  /** Rows to train on. */
  rows: Int32Array;
  /** Throws if the run is to stop. */
  check: () => void;
}

/**
 * The cosine from which on the untrained model finds two texts the same: where the logistic loss of the labels, of a
 * thousand training rows at equal distances, is least. Each model has a range of cosines of its own.
 */
export async function fittedThreshold(request: ThresholdRequest): Promise<number> {
  const { tokens, labels, rows } = request;
  const every = Math.max(1, rows.length / MOST_ROWS);
  const some = Array.from({ length: Math.min(rows.length, MOST_ROWS) }, (_, i) => rows[Math.floor(i * every)]!);
  const texts = new Map<number, Float32Array>();
  for (const row of some)
    for (const k of [0, 1]) texts.set(tokens.columns[tokens.rowOffsets[row]! + k]!, new Float32Array(0));
  await embedInto(texts, request);
  const similarities = some.map((row) => {
    const [a, b] = [0, 1].map((k) => texts.get(tokens.columns[tokens.rowOffsets[row]! + k]!)!);
    return cosineSimilarity(a!, b!);
  });
  return leastLogisticLoss(
    similarities,
    some.map((row) => labels[row]!),
  );
}

async function embedInto(texts: Map<number, Float32Array>, request: ThresholdRequest): Promise<void> {
  const { addon, model, device, precision, tokens, check } = request;
  const unpooled = (text: number): number => tokens.promptTokens?.[text] ?? 0;
  // A call has texts of as many tokens of a prompt.
  const numbers = [...texts.keys()].sort((a, b) => unpooled(a) - unpooled(b) || a - b);
  for (let first = 0; first < numbers.length; ) {
    check();
    const some = numbers.slice(first, first + TEXTS_AT_ONCE);
    const part = some.filter((text) => unpooled(text) === unpooled(some[0]!));
    first += part.length;
    const offsets = new Int32Array(part.length + 1);
    part.forEach((text, i) => {
      offsets[i + 1] = offsets[i]! + tokens.offsets[text + 1]! - tokens.offsets[text]!;
    });
    const ids = new Int32Array(offsets[part.length]!);
    part.forEach((text, i) =>
      ids.set(tokens.ids.subarray(tokens.offsets[text]!, tokens.offsets[text + 1]!), offsets[i]!),
    );
    const vectors = await addon.embed(model, ids, offsets, precision, device, unpooled(part[0]!));
    const width = vectors.length / part.length;
    part.forEach((text, i) => texts.set(text, vectors.subarray(i * width, (i + 1) * width)));
  }
}

/** The threshold t of the least mean of log(1 + e^(-±scale (cosine - t))), to a thousandth; the loss is convex in t. */
export function leastLogisticLoss(similarities: readonly number[], labels: readonly number[]): number {
  let [low, high] = [-1, 1];
  while (high - low > 5e-4) {
    const middle = (low + high) / 2;
    // The derivative: too many find each other the same, and the threshold must be higher, where it is negative.
    let slope = 0;
    for (let i = 0; i < similarities.length; ++i)
      slope += labels[i]! - 1 / (1 + Math.exp(-SCALE * (similarities[i]! - middle)));
    if (slope < 0) low = middle;
    else high = middle;
  }
  return Math.round(500 * (low + high)) / 1000;
}

/** The loss with such a threshold. */
export function logistic(threshold: number): ResolvedLoss {
  return resolveLoss('loss', { name: 'logistic', threshold, scale: SCALE });
}
