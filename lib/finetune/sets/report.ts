import { gainOf, INTERVALS, type Gain } from '../gain';
import type { ResolvedLoss } from '../losses/choice';
import { toldLoss } from '../losses/told';
import type { Progress } from '../progress';
import type { SetReport } from '../report';
import { fromTexts } from '../units';
import type { TrainingSet } from './training-set';

/** What training changed, in all and of each set; null where it cannot be told. */
export interface Gains {
  all: Gain | null;
  sets: readonly (Gain | null)[];
}

export async function gainsOf(
  sets: readonly TrainingSet[],
  losses: readonly ResolvedLoss[],
  /** Of a run of one set. */
  measured: Int32Array,
  { measure, units, before, after }: Pick<Progress, 'measure' | 'units' | 'before' | 'after'>,
  /** Of the intervals; by which the epoch was chosen, where one was. */
  confidence: number,
  signal: AbortSignal,
): Promise<Gains> {
  // A checkpoint of an earlier version has neither.
  if (measure == null || units == null) return { all: null, sets: sets.map(() => null) };
  const [from, to] = [fromTexts(units.before), fromTexts(units.after)];
  const found: (Gain | null)[] = [];
  for (const [i, set] of sets.entries()) {
    const by = sets.length === 1 ? measure : set.measure;
    const rows = { data: set.data, rows: sets.length === 1 ? measured : set.split.validation };
    const { own, native } = losses[i]!;
    const loss = own === undefined ? native : undefined;
    found.push(await gainOf(by, rows, from[i]!, to[i]!, { confidence, loss, signal }));
  }
  return { all: sets.length === 1 ? found[0]! : averageGain(before?.average, after?.average), sets: found };
}

/** Of a mean over sets: how sure each of its parts is, is told with the part. */
function averageGain(before: number | undefined, after: number | undefined): Gain | null {
  if (before === undefined || after === undefined) return null;
  const { confidence } = INTERVALS;
  return { measure: 'average', before, after, difference: after - before, interval: null, confidence, verdict: null };
}

export function setReports(
  sets: readonly TrainingSet[],
  losses: readonly ResolvedLoss[],
  gains: Gains['sets'],
): Record<string, SetReport> {
  return Object.fromEntries(
    sets.map(({ name, data, split, recipe, sampler, measure }, i): [string, SetReport] => [
      name!,
      {
        form: data.form,
        rows: { training: split.train.length, validation: split.validation.length },
        recipe,
        loss: toldLoss(losses[i]!),
        sampler,
        measure,
        gain: gains[i]!,
      },
    ]),
  );
}
