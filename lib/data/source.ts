import { InvalidArgumentError } from '../system/errors';
import { checkSignal } from '../system/options';
import { option, say } from '../system/wording';
import { BadRows } from './bad-rows';
import { beirRows } from './beir-rows';
import { TextCounts, type DataFacts } from './facts';
import { fileRows } from './file-rows';
import type { TrainingData } from './form';
import { isBeir } from './formats/beir';
import type { ListRows } from './lists';
import { objectRows } from './object-rows';
import type { Reading } from './read';
import { resolveRowOptions, type ReadOptions } from './read-options';
import type { DataSource } from './training-row';
import { ROWS_AT_ONCE } from './rows-at-once';
import { emptyData } from './validate';

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
    if ((row + 1) % ROWS_AT_ONCE !== 0) continue;
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

/** Whether rows are lists or objects of the caller's, which may change after the call: they are read from at once. */
export function standsInMemory(source: unknown): boolean {
  return typeof source === 'object' && source !== null && !(Symbol.asyncIterator in source);
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
      data = await fileRows(source, parquet, pairClasses, reading, bad, own, files);
    } else if (await isBeir(source)) {
      if (file !== undefined && Object.keys(file).some((name) => name !== 'signal')) throw notAFile(source);
      data = await beirRows(source, split ?? undefined, reading, bad, own);
    } else {
      if (split !== null) throw noSplit();
      data = await fileRows(source, { ...file, signal: own }, pairClasses, reading, bad, own);
    }
    if (data.rows.length === 0) throw emptyData(`not one row of ${source} can be used`, source);
    return collected(data, reading, bad, signal);
  }
  const options = resolveRowOptions(file, 'objects');
  if (split !== null) throw noSplit();
  const stop = options.signal === undefined ? signal : AbortSignal.any([signal, options.signal]);
  const data = await objectRows(source, options, pairClasses, reading, bad, stop);
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
    if (++row % ROWS_AT_ONCE !== 0) continue;
    await new Promise(setImmediate);
    stop.throwIfAborted();
  }
  const data = lists.finish();
  if (data.rows.length === 0) throw emptyData('not one row can be used');
  return collected(data, { file: null, columns: [], notes: lists.notes() }, bad, stop);
}
