import { untilAborted } from '../system/aborted';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { say } from '../system/wording';
import type { BadRows } from './bad-rows';
import { isUsual, resolveColumns, roles, type ColumnChoice, type Role } from './columns';
import type { TrainingData } from './form';
import { asPairClasses, planOf, type FormPlan } from './form-columns';
import { FormReader } from './form-rows';
import { Members } from './members';
import type { PairData } from './pair';
import type { Reading } from './read';
import type { RowOptions } from './read-options';
import { thrownBy } from './thrown-by';
import type { DataSource, TrainingRow } from './training-row';
import { ROWS_AT_ONCE } from './rows-at-once';
import { checkRow, emptyData, missingMembers, placeName, type RowPlace } from './validate';

/**
 * Rows that are objects, one after another, as rows to train on. The event loop has its turn after some thousand of them.
 *
 * @throws InvalidArgumentError: the source is no iterable, or the rows, ERR_EMPTY_DATA; and what the source throws
 */
export async function objectRows(
  source: Exclude<DataSource, string>,
  options: RowOptions,
  pairClasses: boolean,
  reading: Reading,
  bad: BadRows,
  signal: AbortSignal,
): Promise<TrainingData> {
  let row = 0;
  let reader: FormReader | undefined;
  let members: Members | undefined;
  // Nothing is awaited but after some thousand rows: objects may change after the call.
  const take = (value: unknown): Promise<void> | undefined => {
    bad.read(() => {
      // One that is no object says nothing of those behind it.
      const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (reader === undefined && !isObject) checkRow(value, { row });
      if (reader === undefined || members === undefined) {
        members = new Members(value as object);
        reader = readerFor(value as object, row, members, options, pairClasses);
      }
      readObject(reader, members, value, { row });
    });
    return ++row % ROWS_AT_ONCE === 0 ? turn() : undefined;
  };
  const turn = async (): Promise<void> => {
    await new Promise(setImmediate);
    signal.throwIfAborted();
  };
  const rows = source as Partial<Iterable<TrainingRow> & AsyncIterable<TrainingRow>> | null;
  if (typeof rows?.[Symbol.asyncIterator] === 'function') {
    for await (const one of untilAborted(rows as AsyncIterable<TrainingRow>, signal)) await take(one);
  } else if (typeof rows?.[Symbol.iterator] === 'function') {
    for (const one of Array.isArray(rows) ? rows.slice() : (rows as Iterable<TrainingRow>)) {
      const pause = take(one);
      if (pause !== undefined) await pause;
    }
  } else {
    const { pairs, scores } = (rows ?? {}) as Partial<PairData>;
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `Training data must be two lists (pairs, scores), the path of a file, or an iterable of rows ` +
        `{ text1, text2, score }, but is ${show(source)}.`,
      {
        remedy:
          Array.isArray(pairs) && Array.isArray(scores)
            ? say`Pass the two lists: finetune(data.pairs, data.scores).`
            : undefined,
      },
    );
  }
  if (row === 0) throw emptyData('the iterable gave no rows');
  const data = reader?.finish();
  if (reader === undefined || data === undefined || data.rows.length === 0) throw emptyData('not one row can be used');
  reading.columns = reader.columns;
  reading.notes.push(...reader.unread(), ...reader.notes());
  return data;
}

/** By the first row that says it: what the members of the others are, as the columns of a file. */
function readerFor(
  value: object,
  row: number,
  { names }: Members,
  { columns, score }: RowOptions,
  pairClasses: boolean,
): FormReader {
  const pairsPlan = (): FormPlan => ({ kind: 'pairs', ...pairMembers(value, row, names, columns) });
  const plan = planOf(names, columns, true) ?? pairsPlan();
  return new FormReader({
    plan: pairClasses ? asPairClasses(plan) : plan,
    names,
    score,
    unclear: () => thrownBy(pairsPlan),
  });
}

/** Where two texts and a score stand. Rows that name all three exactly are those, whatever else they have. */
function pairMembers(
  value: object,
  row: number,
  names: readonly string[],
  columns: ColumnChoice,
): Record<Role, number> {
  if (Object.keys(columns).length === 0) {
    const at = (role: Role): number => names.indexOf(role);
    if (roles.every((role) => at(role) >= 0)) return { text1: at('text1'), text2: at('text2'), score: at('score') };
    const missing = roles.filter((role) => !names.some((name) => isUsual(role, name)));
    if (missing.length > 0) throw missingMembers(value, missing, { row });
  }
  return resolveColumns(undefined, names, columns, 'format');
}

function readObject(reader: FormReader, members: Members, value: unknown, place: RowPlace): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `A row must be an object { ${reader.columns.join(', ')} }, but ${placeName(place)} is ${show(value)}.`,
      { ...place },
    );
  }
  const record = value as Record<string, unknown>;
  const { positions } = reader;
  const cells = positions.map((position) => members.at(record, position));
  if (reader.isScored && cells.includes(undefined)) {
    const missing = roles.filter((_, i) => !members.has(record, positions[i]!));
    if (missing.length > 0) throw missingMembers(record, missing, place, reader.columns);
  }
  reader.read(cells, place, record);
}
