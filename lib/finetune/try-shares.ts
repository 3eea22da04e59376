import { costOf, measureValue, type MeasureName } from './measure';
import type { AllMeasured } from './sets/measured';
import { blends, chooseShare, type ShareCost, type TriedShare } from './share';

/** A share of the trained weights and what it came to. */
export interface Tried extends ShareCost {
  measured: AllMeasured;
  kept: number | null | undefined;
}

/** How shares of an epoch's weights are tried. */
export interface ShareTrial {
  shares: readonly number[];
  /** Has a share of the trained weights at work. */
  blend: (share: number) => Promise<void>;
  /** What the validation rows come to under the weights at work, which are those of the share of that number. */
  validate: (number: number) => Promise<AllMeasured>;
  /** The measure of the rows to keep, and what it must be at least; null where nothing is to be kept. */
  keep: { value: () => Promise<number | null>; bound: number } | null;
  /** What the run goes by, and what it was of the untrained model. */
  measure: MeasureName;
  untrained: number;
}

/** The share of the trained weights to take, measured: none where no share keeps what must be kept. The last one is at work then. */
export async function tryShares({ shares, blend, validate, keep, measure, untrained }: ShareTrial): Promise<{
  chosen: Tried | null;
  tried: Tried[];
}> {
  const tried: Tried[] = [];
  for (const [i, share] of shares.entries()) {
    if (blends(shares)) await blend(share);
    const measured = await validate(i);
    const value = keep === null ? undefined : await keep.value();
    tried.push({
      share,
      measured,
      cost: costOf(measure, measured.metrics),
      kept: value,
      keeps: value === undefined || (value !== null && value >= keep!.bound),
    });
  }
  return { chosen: chooseShare(tried, untrained) ?? null, tried };
}

/** As events and reports have them. */
export function toldShares(measure: MeasureName, tried: readonly Tried[]): TriedShare[] {
  return tried.map(({ share, measured, kept }) => ({
    share,
    value: measureValue(measure, measured.metrics),
    ...(kept !== undefined && { kept }),
  }));
}
