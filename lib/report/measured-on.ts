import { rowsWords } from './names';
import { integer } from './numbers';
import type { RunRecord } from './record';

type Measured = Pick<RunRecord, 'comparison' | 'crossCheck'>;

/** The rows that a record's measures are of, as a sentence names them behind «on». */
export function measuredOn(record: Measured): string {
  const { comparison, crossCheck } = record;
  if (comparison?.of != null || !crossCheck) return rowsWords(record);
  return `all ${integer(crossCheck.rows)} rows, each under a model that had not seen it`;
}

/** The same in few words. */
export function measuredOnShort(record: Measured): string {
  const { comparison, crossCheck } = record;
  return comparison?.of != null || !crossCheck ? rowsWords(record) : `all ${integer(crossCheck.rows)} rows`;
}

/** The rows that its epochs were measured on. */
export function validatedOn({ crossCheck }: Measured): string {
  return measuredOn({ comparison: null, ...(crossCheck !== undefined && { crossCheck }) });
}
