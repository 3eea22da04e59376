import { cosineSimilarity } from '../embed/similarity';
import type { EngineAddon, ModelHandle } from '../engine/addon';
import type { NativePrecision } from '../engine/compute';
import type { NativeLoss } from '../engine/training';
import type { ResolvedLoss } from './losses/choice';
import { within } from './losses/within';
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
 * The loss with a threshold for each logistic in it that has none: the cosine from which on the untrained model finds two
 * texts the same, where the logistic loss of the labels, of a thousand training rows at equal distances, is least. Each
 * model has a range of cosines of its own; cut vectors and hidden layers get the threshold of the whole model.
 */
export async function withFittedThresholds(loss: ResolvedLoss, request: ThresholdRequest): Promise<ResolvedLoss> {
  if (logisticsIn(loss.native).every(hasThreshold)) return loss;
  const { similarities, labels } = await labelledSimilarities(request);
  return filled(loss, (scale) => leastLogisticLoss(similarities, labels, scale));
}

/** The loss with the thresholds of an earlier run of it, `then`; undefined where that was another loss. */
export function withThresholdsOf(loss: ResolvedLoss, then: NativeLoss | undefined): ResolvedLoss | undefined {
  const [wanted, known] = [logisticsIn(loss.native), then === undefined ? [] : logisticsIn(then)];
  if (known.length !== wanted.length || !known.every(hasThreshold)) return undefined;
  const thresholds = wanted.flatMap((one, i) => (hasThreshold(one) ? [] : [known[i]!['threshold'] as number]));
  return filled(loss, () => thresholds.shift()!);
}

const hasThreshold = (loss: NativeLoss): boolean => typeof loss['threshold'] === 'number';

function logisticsIn(loss: NativeLoss): NativeLoss[] {
  return loss.name === 'logistic' ? [loss] : within(loss).flatMap(logisticsIn);
}

/** With what `thresholdAt` gives for the scale of each logistic without a threshold, from the first to the last. */
function filled(loss: ResolvedLoss, thresholdAt: (scale: number) => number): ResolvedLoss {
  const fill = (one: NativeLoss): NativeLoss => {
    if (one.name === 'logistic' && !hasThreshold(one)) {
      const { scale = SCALE } = one;
      return { ...one, threshold: thresholdAt(scale as number), scale };
    }
    const { loss: inner, losses } = one;
    return {
      ...one,
      ...(inner !== undefined && { loss: fill(inner as NativeLoss) }),
      ...(losses !== undefined && { losses: (losses as NativeLoss[]).map(fill) }),
    };
  };
  return { ...loss, native: fill(loss.native) };
}

async function labelledSimilarities(
  request: ThresholdRequest,
): Promise<{ similarities: readonly number[]; labels: readonly number[] }> {
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
  return { similarities, labels: some.map((row) => labels[row]!) };
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
function leastLogisticLoss(similarities: readonly number[], labels: readonly number[], scale = SCALE): number {
  let [low, high] = [-1, 1];
  while (high - low > 5e-4) {
    const middle = (low + high) / 2;
    // The derivative: too many find each other the same, and the threshold must be higher, where it is negative.
    let slope = 0;
    for (let i = 0; i < similarities.length; ++i)
      slope += labels[i]! - 1 / (1 + Math.exp(-scale * (similarities[i]! - middle)));
    if (slope < 0) low = middle;
    else high = middle;
  }
  return Math.round(500 * (low + high)) / 1000;
}
