import { InvalidArgumentError, saidBy } from '../system/errors';
import { checkSignal, show } from '../system/options';
import { option, say } from '../system/wording';
import { BadRows } from './bad-rows';
import { beirRows } from './beir-rows';
import { isUsual, resolveColumns, roles, type ColumnChoice, type Role } from './columns';
import { TextCounts, type DataFacts, type FileFacts } from './facts';
import type { TrainingData } from './form';
import { asPairClasses, isId, planOf, type FormPlan } from './form-columns';
import { FormReader } from './form-rows';
import { isBeir } from './formats/beir';
import { JoinedTable } from './formats/joined';
import type { Table } from './formats/table';
import type { ListRows } from './lists';
import { Members } from './members';
import type { LabelledRow, PairData, ScoredRow } from './pair';
import { openTable, scoredRows, tableNotes, type Reading } from './read';
import { resolveReadOptions, resolveRowOptions, type ReadOptions, type RowOptions } from './read-options';
import { ScoredRows } from './scored-rows';
import { checkIsFile } from './text/text-source';
import { checkRow, emptyData, missingMembers, placeName, type RowPlace } from './validate';

/** A text and one that belongs to it, with texts that do not: as many as there are, `negative_1`, `negative_2` and so on. */
export interface RankingRow {
  /** The text that others are compared with: a query, a question. */
  anchor: string;
  /** What belongs to it; of several each makes a row with all the negatives. */
  positive: string | readonly string[];
  /** What does not. */
  negative?: string | readonly string[] | null;
}

/** A text and its class. */
export interface ClassifiedRow {
  /** The text. */
  text: string;
  /** A word or a whole number. */
  label: string | number;
}

/** A text and the vector that a teacher gives it. */
export interface VectorRow {
  /** The text. */
  text: string;
  /** As many numbers in all rows. */
  vector: ArrayLike<number>;
}

/** A query and the scores that a teacher gives to candidates. */
export interface CandidatesRow {
  /** The query. */
  query: string;
  /** At least 2, as many in all rows; the best is best the first, as some losses take it for the positive. */
  candidates: readonly string[];
  /** As many as candidates. */
  scores: ArrayLike<number>;
}

/**
 * A row of any of the forms, by the members that files have as columns, as `{ question, answer }`. Members of members are
 * columns too, as `passages.text` of `{ query, passages: [{ text, is_selected }] }`.
 */
export type OtherRow = Readonly<
  Record<
    string,
    | string
    | number
    | bigint
    | boolean
    | null
    | readonly string[]
    | ArrayLike<number>
    | readonly object[]
    | Readonly<Record<string, unknown>>
  >
>;

/** One row of training data. */
export type TrainingRow = ScoredRow | LabelledRow | RankingRow | ClassifiedRow | VectorRow | CandidatesRow | OtherRow;

/** Where training data may come from, besides lists: a file's path, or rows one after another. */
export type DataSource = string | Iterable<TrainingRow> | AsyncIterable<TrainingRow>;

/** Rows that are taken before the event loop gets its turn: an iterable of rows in memory gives it none. */
const rowsAtOnce = 2000;

/** Ends with the signal's reason even while the source keeps us waiting for a row. */
async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
  });
  aborted.catch(() => undefined);
  let finished = false;
  try {
    signal.throwIfAborted();
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) {
        finished = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    // Not awaited: a source that is stuck in next() would never answer.
    if (!finished) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** Training data, read to its end. */
export interface CollectedData extends TrainingData {
  facts: DataFacts;
}

/** Counts what is to be told of all rows. */
async function collected(
  data: TrainingData,
  reading: Reading,
  bad: BadRows,
  signal: AbortSignal,
): Promise<CollectedData> {
  const counts = new TextCounts();
  for (let row = 0; row < data.rows.length; ++row) {
    counts.add(data.rows[row]!);
    if ((row + 1) % rowsAtOnce !== 0) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
  const { file, columns } = reading;
  const notes = [...reading.notes, ...bad.notes(), ...counts.notes()];
  return { ...data, facts: { emptyTexts: counts.empty, file, columns, skipped: bad.count, notes } };
}

/** How a source is read. */
export interface SourceOptions {
  /** Of a file; `columns`, `scoreRange` and `labels` of rows that are objects, too. */
  file: ReadOptions | undefined;
  onBadRow: 'refuse' | 'skip';
  /** Of a BEIR folder: whose judgements. */
  split?: string | null;
  /** Where the source names what these Parquet files hold together. */
  files?: readonly string[] | undefined;
  /** Whether a label of two texts is one of several classes. Default false. */
  pairClasses?: boolean;
}

/**
 * Reads a source to its end. `signal` stops it between rows, and the source's own iterator is closed then. The event loop
 * has its turn after some thousand rows. Errors of the source itself are passed on as they are.
 */
export async function collectRows(
  source: DataSource,
  { file, onBadRow, split = null, files, pairClasses = false }: SourceOptions,
  signal: AbortSignal,
): Promise<CollectedData> {
  const reading: Reading = { file: null, columns: [], notes: [] };
  const bad = new BadRows(onBadRow === 'skip', typeof source === 'string' ? source : null);
  if (typeof source === 'string') {
    const own =
      file?.signal === undefined ? signal : AbortSignal.any([signal, checkSignal('file.signal', file.signal)]);
    let data: TrainingData;
    if (files !== undefined) {
      const parquet = { ...file, format: 'parquet' as const, signal: own };
      data = await collectFile(source, parquet, reading, bad, own, pairClasses, files);
    } else if (await isBeir(source)) {
      if (file !== undefined && Object.keys(file).some((name) => name !== 'signal')) throw notAFile(source);
      data = await beirRows(source, split ?? undefined, reading, bad, own);
    } else {
      if (split !== null) throw noSplit();
      data = await collectFile(source, { ...file, signal: own }, reading, bad, own, pairClasses);
    }
    if (data.rows.length === 0) throw emptyData(`not one row of ${source} can be used`, source);
    return collected(data, reading, bad, signal);
  }
  const options = resolveRowOptions(file, 'objects');
  if (split !== null) throw noSplit();
  const stop = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
  let row = 0;
  let reader: FormReader | undefined;
  let members: Members | undefined;
  const take = async (value: unknown): Promise<void> => {
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
    if (++row % rowsAtOnce !== 0) return;
    await new Promise(setImmediate);
    stop.throwIfAborted();
  };
  const rows = source as Partial<Iterable<TrainingRow> & AsyncIterable<TrainingRow>> | null;
  if (typeof rows?.[Symbol.asyncIterator] === 'function') {
    for await (const one of untilAborted(rows as AsyncIterable<TrainingRow>, stop)) await take(one);
  } else if (typeof rows?.[Symbol.iterator] === 'function') {
    for (const one of rows as Iterable<TrainingRow>) await take(one);
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
  return collected(data, reading, bad, stop);
}

/** For data to which the option `split` says nothing. */
export function noSplit(): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('split')} says which part of a BEIR folder or of a data set of the hub is meant, but the data is neither.`,
  );
}

/** For a BEIR folder, of which the option `file` says nothing. */
export function notAFile(folder: string): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('file')} tells how to read a data file, but ${folder} is a folder in BEIR's layout, whose files are read as they are.`,
    { file: folder },
  );
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

/** With how rows of other forms are asked for, which two columns of texts may be. */
function orOtherForms(error: unknown, names: readonly string[]): unknown {
  const texts = names.filter((name) => !isId(name));
  if (!(error instanceof InvalidArgumentError) || texts.length < 2) return error;
  const { said, remedy } = saidBy(error);
  return new InvalidArgumentError(error.code, said, {
    file: error.file,
    remedy: say`${remedy ?? []}${remedy === undefined ? '' : ' '}Rows of another form name their parts, as ${option('file.columns', { anchor: texts[0], positive: texts[1] })}.`,
  });
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
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

async function collectFile(
  file: string,
  options: ReadOptions,
  reading: Reading,
  bad: BadRows,
  signal: AbortSignal,
  pairClasses: boolean,
  files: readonly string[] = [file],
): Promise<TrainingData> {
  if (files[0] === file) await checkIsFile(file, 'a data file'); // before its format, which a folder has none of
  const resolved = resolveReadOptions(file, options);
  // Waited for with the signal: a pipe may keep us waiting for ever.
  const first = await opened(openTable(files[0]!, resolved), signal);
  const table = files.length === 1 ? first : new JoinedTable(first, files.slice(1), (one) => openTable(one, resolved));
  const { columns: names } = table;
  let plan: FormPlan | null;
  const pairsPlan = (): FormPlan => ({
    kind: 'pairs',
    ...resolveColumns(file, names, resolved.columns, table.names),
  });
  // What asks for the columns of two texts and a score by their names.
  const asPairs = () => thrownBy(() => resolveColumns(file, names, resolved.columns, table.names));
  const unclear = (): unknown => {
    const error = asPairs();
    return Object.keys(resolved.columns).length === 0 && error !== undefined ? orOtherForms(error, names) : error;
  };
  try {
    plan = names.length === 0 ? null : planOf(names, resolved.columns, table.names !== 'none');
    if (plan === null && names.length > 0) {
      const error = unclear();
      if (error !== undefined) throw error;
    }
    if (pairClasses && names.length > 0) plan = asPairClasses(plan ?? pairsPlan());
  } catch (error) {
    await table.close();
    throw error;
  }
  if (plan === null) {
    const collector = new ScoredRows();
    for await (const rows of untilAborted(scoredRows(file, table, resolved, reading, bad), signal)) {
      for (const one of rows) collector.add(one);
    }
    return collector.finish();
  }
  const score = { range: resolved.scoreRange, labels: resolved.labels };
  const reader = new FormReader({ plan, names, score, file, unclear });
  let row = 0;
  for await (const piece of untilAborted(
    table.rows(reader.positions, () => true),
    signal,
  )) {
    for (const { cells, line, record, fault } of piece) {
      bad.read(() => {
        if (fault !== undefined) throw fault;
        reader.read(cells, { file, row, line }, record);
      });
      ++row;
    }
  }
  if (row === 0) throw emptyData(`${file} has no rows`, file);
  bad.check();
  const data = reader.finish();
  const column = (at: number): string | number => (table.names === 'none' ? at : names[at]!);
  const { format } = resolved;
  const { encoding, delimiter } = table;
  reading.columns = reader.columns;
  reading.file = { format, encoding, delimiter, columns: partsOf(plan, column), labels: reader.words };
  reading.notes.push(...tableNotes(table, resolved), ...reader.unread(), ...reader.notes());
  return data;
}

/** The columns by the names that `ColumnChoice` has for them. */
function partsOf(plan: FormPlan, column: (at: number) => string | number): FileFacts['columns'] {
  switch (plan.kind) {
    case 'pairs':
      return { text1: column(plan.text1), text2: column(plan.text2), score: column(plan.score) };
    case 'nli':
    case 'ranking': {
      const [anchor, positive, ...negative] = plan.texts;
      const label = plan.kind === 'nli' ? { label: column(plan.label) } : {};
      const others = negative.length > 0 ? { negative: negative.map(column) } : {};
      return { anchor: column(anchor), positive: column(positive), ...others, ...label };
    }
    case 'selected':
      return { anchor: column(plan.texts[0]), candidates: column(plan.texts[1]), label: column(plan.label) };
    case 'candidates':
      return { anchor: column(plan.texts[0]), candidates: column(plan.texts[1]), scores: column(plan.label) };
    case 'pairClasses':
      return { text: plan.texts.map(column), label: column(plan.label) };
    case 'vectors':
      return { text: plan.texts.map(column), vector: column(plan.label) };
    case 'classes':
    case 'labelled':
      return { text: plan.texts.map(column), label: column(plan.label) };
  }
}

/** A table as soon as it is open; where that is not waited for any more, it is closed when it is. */
async function opened(opening: Promise<Table>, signal: AbortSignal): Promise<Table> {
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop);
  });
  aborted.catch(() => undefined);
  try {
    signal.throwIfAborted();
    return await Promise.race([opening, aborted]);
  } catch (error) {
    void opening.then((table) => table.close()).catch(() => undefined);
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Lists (see `listRows`); the event loop has its turn after some thousand rows. */
export async function collectLists(
  lists: ListRows,
  onBadRow: SourceOptions['onBadRow'],
  signal: AbortSignal,
): Promise<CollectedData> {
  const bad = new BadRows(onBadRow === 'skip', null);
  const stop = lists.signal === undefined ? signal : AbortSignal.any([signal, lists.signal]);
  let row = 0;
  stop.throwIfAborted();
  for (const read of lists.rows) {
    bad.read(read);
    if (++row % rowsAtOnce !== 0) continue;
    await new Promise(setImmediate);
    stop.throwIfAborted();
  }
  const data = lists.finish();
  if (data.rows.length === 0) throw emptyData('not one row can be used');
  return collected(data, { file: null, columns: [], notes: lists.notes() }, bad, stop);
}
