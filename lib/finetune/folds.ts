import { rowFamilies } from '../data/families';
import type { TrainingData } from '../data/form';
import { foldsOf } from '../data/folds';
import { hasCode } from '../system/errors';
import { inTurns } from '../system/turns';
import { pooled, type CrossChecked, type Part } from './cross-check';
import type { Measured } from './quality';
import type { RunSettings } from './recipes/settings';
import type { Split } from './split';
import { checkRows } from './training-rows';
import { toldStep, trial, type TrialGround } from './trial';
import { toText } from './units';

/** Trains without each part of the training rows in turn; of parts without which nothing can be trained on nothing is measured. */
export async function crossCheck(
  ground: TrialGround,
  settings: RunSettings,
  split: Split,
  allowConstantScores: boolean,
): Promise<CrossChecked> {
  const { control, seed, emit } = ground;
  const { data, groups } = ground.set;
  const all = Int32Array.from([...split.train, ...split.validation]).sort();
  const offsets = { columns: groups.sources, offsets: groups.rowOffsets };
  const families = await inTurns(rowFamilies(offsets, Infinity), () => control.check());
  const trials = foldsOf(split.train, families, settings.folds - 1, seed)
    .filter((fold) => fold.length > 0)
    .map((fold) => {
      const held = new Set(fold);
      return { train: all.filter((row) => !held.has(row)), validation: fold };
    })
    .filter((without) => trainable(data, without, allowConstantScores));
  const rowsOf = (some: readonly Split[]) => some.reduce((sum, { train }) => sum + train.length, 0);
  const trained = rowsOf([...trials, split]);
  let spent = 0;
  const measured: { rows: Int32Array; before: Measured; epochs: Measured[][] }[] = [];
  for (const [i, without] of trials.entries()) {
    const before = rowsOf(trials.slice(0, i));
    const result = await trial(ground, {
      settings,
      split: without,
      among: all,
      keep: null,
      onStep: (step, seconds) => {
        spent += seconds;
        const fraction = (before + without.train.length * step.fraction) / trained;
        emit({
          type: 'trial-step',
          during: 'cross-check',
          trial: i + 1,
          trials: trials.length,
          ...toldStep(step),
          fraction,
          eta: (spent * (1 - fraction)) / fraction,
        });
      },
    });
    measured.push({ rows: without.validation, ...result });
    emit({ type: 'cross-check', done: i + 1, folds: trials.length });
  }
  if (measured.length === 0) return { folds: 1, rows: [], before: null, epochs: [] };
  const told = ({ metrics, units }: Measured): Part => ({ metrics, units: toText(units) });
  const poolOf = (of: (part: (typeof measured)[number]) => Measured): Part =>
    told(
      pooled(
        data,
        measured.map((part) => ({ rows: part.rows, measured: of(part) })),
      ),
    );
  return {
    folds: measured.length + 1,
    rows: measured.flatMap(({ rows }) => [...rows]),
    before: poolOf(({ before }) => before),
    epochs: measured[0]!.epochs.map((shares, epoch) =>
      shares.map((_, i) => poolOf(({ epochs }) => epochs[epoch]![i]!)),
    ),
  };
}

function trainable(data: TrainingData, split: Split, allowConstantScores: boolean): boolean {
  if (split.train.length === 0) return false;
  try {
    checkRows(data, split, allowConstantScores);
    return true;
  } catch (error) {
    const refused = ['ERR_CONSTANT_SCORES', 'ERR_CONSTANT_TEXTS', 'ERR_SINGLE_CLASS'] as const;
    if (refused.some((code) => hasCode(error, code))) return false;
    throw error;
  }
}
