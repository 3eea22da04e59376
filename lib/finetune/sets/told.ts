import { smallSetNotes } from '../../data/facts';
import { repeatNotes } from '../../data/repeats';
import { understood } from '../../data/understood';
import type { NativeLoss } from '../../engine/training';
import type { EventContent } from '../events';
import type { ResolvedLoss } from '../losses/choice';
import { samplerNote } from '../losses/fit';
import { toldLoss } from '../losses/told';
import type { TokenisedRows } from '../tokens';
import { ofSet, type TrainingSet } from './training-set';

/** The event that tells what a set is. */
export function dataEvent(
  set: TrainingSet,
  of: number,
  { lengths, offsets, columns, rowOffsets }: TokenisedRows,
  maxInputLength: number,
  unprompted: string | undefined,
): EventContent & { type: 'data' } {
  const { data, split, repeats, name, number } = set;
  const shared = samplerNote(set.sampler, set.loss, data);
  let longest = 0;
  const own = ofSet(rowOffsets, set, 1);
  for (let i = own[0]!; i < own.at(-1)!; ++i)
    longest = Math.max(longest, offsets[columns[i]! + 1]! - offsets[columns[i]!]!);
  return {
    type: 'data',
    set: name === null ? null : { name, number, of },
    form: data.form,
    understood: understood(data),
    rows: data.rows.length,
    trainingRows: split.train.length,
    validationRows: split.validation.length,
    tokens: ofSet(lengths, set).reduce((sum, length) => sum + length, 0),
    longest,
    maxInputLength,
    emptyTexts: data.facts.emptyTexts,
    skippedRows: data.facts.skipped,
    duplicateRows: repeats.duplicates,
    contradictoryRows: repeats.contradictions,
    sharedValidationRows: split.shared,
    file: data.facts.file,
    notes: [
      ...data.facts.notes,
      ...repeatNotes(repeats, data.form),
      ...split.notes,
      ...(shared === undefined ? [] : [shared]),
      ...smallSetNotes(split.train.length, split.validation.length),
      ...(unprompted === undefined ? [] : [unprompted]),
    ],
  };
}

/** The losses of all sets as events, the report and checkpoints have them: of one set its loss. */
export function toldLosses(sets: readonly { name: string | null }[], losses: readonly ResolvedLoss[]): NativeLoss {
  if (sets.length === 1) return toldLoss(losses[0]!);
  return { name: 'several', sets: Object.fromEntries(sets.map(({ name }, i) => [name!, toldLoss(losses[i]!)])) };
}

/** The loss of one of the sets, of what `toldLosses` gave. */
export function lossOfSet(told: NativeLoss | undefined, name: string | null): NativeLoss | undefined {
  return name === null ? told : (told?.['sets'] as Record<string, NativeLoss> | undefined)?.[name];
}
