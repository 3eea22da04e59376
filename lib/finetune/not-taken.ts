import type { CrossCheck } from './cross-check';
import type { EventContent } from './events';
import type { Gain } from './gain';
import type { KeepSet } from './keep';
import { measures, type MeasureName } from './measure';
import type { TriedShare } from './share';

/** That no share of an epoch's weights keeps what must be kept. */
export function nothingKeeps(epoch: number, keep: KeepSet, before: number, tried: readonly TriedShare[]): EventContent {
  const found = tried
    .filter(({ share }) => share > 0)
    .map(({ share, kept }) => `${kept?.toFixed(4) ?? 'none'} with ${share} of it`)
    .join(', ');
  const name = measures[keep.measure].words;
  return {
    type: 'keep-failed',
    epoch,
    before,
    margin: keep.margin,
    tried,
    message:
      `What epoch ${epoch} learned costs the rows to keep more than ${keep.margin}: their ${name} was ${before.toFixed(4)} ` +
      `and is ${found}. The model stays as it was before this epoch`,
  };
}

/** That the validation rows do not have the measure of the run. */
export function notDefined(measure: MeasureName): EventContent {
  return {
    type: 'data-warning',
    reason: 'measure-not-defined',
    message: `The measure, ${measures[measure].words}, is not defined on the rows to validate with: the run goes by the loss`,
  };
}

/** That a small set does not show an epoch's gain. */
export function notShown(epoch: number, { rows, folds }: CrossCheck, gain: Gain | null): EventContent {
  const name = gain === null ? 'the measure' : measures[gain.measure].words;
  const signed = (value: number) => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;
  const found =
    gain === null
      ? 'is not defined'
      : `went from ${gain.before.toFixed(4)} to ${gain.after.toFixed(4)}` +
        (gain.interval === null ? '' : `, ${signed(gain.interval.low)} to ${signed(gain.interval.high)} by chance`);
  return {
    type: 'gain-not-shown',
    epoch,
    folds,
    rows: rows.length,
    gain,
    message:
      `Whether epoch ${epoch} made the model better does not show: ${name} ${found}, on ${rows.length} rows, each under a ` +
      'model that had not seen it. The model stays as it was before this epoch; more rows would tell',
  };
}
