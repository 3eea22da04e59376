/** A share of the trained weights, as it was measured: (1 - share) · base + share · trained. */
export interface TriedShare {
  /** From 0, the untrained weights, to 1, the trained ones. */
  share: number;
  /** The measure that the run goes by; null where it is not defined. */
  value: number | null;
  /** The measure of the rows to keep; absent without them. */
  kept?: number | null;
}

/** What a choice needs of each share: a number of which the lower is the better, and whether it keeps what must be kept. */
export interface ShareCost {
  share: number;
  cost: number;
  keeps: boolean;
}

/** Of the gain of the best share, as much is kept at least. */
const KEPT_GAIN = 0.9;

/**
 * Of the shares that keep what must be kept the least one with nine tenths of the gain of the best: what is between base and
 * tuned keeps most of what was learned and more of what the base could do (LM-Cocktail: Xiao et al. 2023), while shares
 * whose measures are close differ by chance. `untrained` is the untrained model's cost. Undefined where no share keeps it.
 */
export function chooseShare<Tried extends ShareCost>(tried: readonly Tried[], untrained: number): Tried | undefined {
  const allowed = tried.filter(({ keeps }) => keeps).sort((a, b) => a.cost - b.cost || a.share - b.share);
  const best = allowed[0];
  if (best === undefined) return undefined;
  const gain = untrained - best.cost;
  // Nothing is gained, or there is nothing to measure the gain from.
  if (!(gain > 0) || !Number.isFinite(gain)) return best;
  return allowed
    .filter(({ cost }) => untrained - cost >= KEPT_GAIN * gain)
    .reduce((least, one) => (one.share < least.share ? one : least));
}

/** Whether anything but the trained weights themselves may be taken. */
export function blends(shares: readonly number[]): boolean {
  return shares.some((share) => share !== 1);
}
