import { costOf, measureValue, type MeasureName } from './measure';
import type { ValidationMetrics } from './metrics';
import type { Progress } from './progress';
import type { AllMeasured } from './sets/measured';
import { blends, chooseShare, type ShareCost, type TriedShare } from './share';

/** A share of the trained weights and what it came to. */
export interface Tried extends ShareCost {
  /** null without validation rows. */
  measured: AllMeasured | null;
  kept: number | null | undefined;
}

/** How shares of an epoch's weights are tried. */
export interface ShareTrial {
  shares: readonly number[];
  /** Has a share of the trained weights at work. */
  blend: (share: number) => Promise<void>;
  /** What the validation rows come to under the weights at work, which are those of the share of that number; null where there are none. */
  validate: ((number: number) => Promise<AllMeasured>) | null;
  /** Is given each share when it is measured. */
  onTried?: ((one: Tried) => void) | undefined;
  /** The measure of the rows to keep, and what it must be at least; null where nothing is to be kept. */
  keep: { value: () => Promise<number | null>; bound: number } | null;
  /** What the run goes by, and what that costs under the untrained model; null without validation rows. */
  measure: MeasureName | null;
  untrained: number;
}

/** What was tried, and what to take of it. */
export interface ShareChoice {
  /** null where no share keeps what must be kept. */
  chosen: Tried | null;
  /** What it would be if nothing had to be kept. */
  free: Tried;
  tried: Tried[];
}

/**
 * The share of the trained weights to take: without validation rows the largest that keeps what must be kept, and smaller ones
 * are not tried. The last one is at work then.
 */
export async function tryShares({ onTried, ...trial }: ShareTrial): Promise<ShareChoice> {
  const { shares, blend, validate, keep, measure, untrained } = trial;
  const tried: Tried[] = [];
  for (const [i, share] of shares.entries()) {
    if (blends(shares)) await blend(share);
    const measured = validate === null ? null : await validate(i);
    const value = keep === null ? undefined : await keep.value();
    const cost = measured === null ? -share : costOf(measure!, measured.metrics);
    const keeps = value === undefined || (value !== null && value >= keep!.bound);
    tried.push({ share, measured, cost, kept: value, keeps });
    onTried?.(tried.at(-1)!);
    if (validate === null && keeps) break;
  }
  const wanted = (some: readonly Tried[]): Tried | undefined =>
    validate === null ? some[0] : chooseShare(some, untrained);
  return {
    chosen: wanted(tried.filter(({ keeps }) => keeps)) ?? null,
    free: wanted(tried.map((one) => ({ ...one, keeps: true })))!,
    tried,
  };
}

/** As events and reports have them: with the untrained weights, which need no measuring again, where there was a choice. */
export function toldShares(
  { measure, before, kept }: Pick<Progress, 'measure' | 'before' | 'kept'>,
  tried: readonly Tried[],
  choice: boolean,
): TriedShare[] {
  const told = (share: number, metrics: ValidationMetrics | null | undefined, value: number | null | undefined) => ({
    share,
    value: measure === null || !metrics ? null : measureValue(measure, metrics),
    ...(value !== undefined && { kept: value }),
  });
  return [
    ...tried.map(({ share, measured, kept: value }) => told(share, measured?.metrics, value)),
    ...(choice ? [told(0, before, kept?.before)] : []),
  ];
}
