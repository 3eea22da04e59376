import type { DataForm } from '../data/form';
import { Random, Stream } from '../data/random';
import type { Split } from './split';

/** Rows that are searched among, or that a classifier is fitted on, at most: embedding them costs a validation a part of what an epoch costs. */
const MOST_ROWS = 2000;

/**
 * Rows whose texts the validation rows of positives search among, whose texts vote on those of classes, or on which
 * a classifier of pairs is fitted, in the data's order: their own, and training rows, drawn by the seed where there are many. Among their own alone nearly all is found at
 * once, or most classes have one text, and what is learned does not show. null of other forms.
 */
export function searchedRows(form: DataForm, { train, validation }: Split, seed: number): Int32Array | null {
  if (form !== 'positive-pairs' && form !== 'triplets' && form !== 'classes' && form !== 'classified-pairs')
    return null;
  // A classifier is fitted on none but training rows.
  const room = form === 'classified-pairs' ? MOST_ROWS : Math.max(0, MOST_ROWS - validation.length);
  const some = train.length <= room ? train : Random.of(seed, Stream.Searched).shuffle(train.slice()).subarray(0, room);
  return Int32Array.from([...validation, ...some]).sort();
}
