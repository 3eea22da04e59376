import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import type { PairData, ScoredRow } from './pair';
import { streamRows } from './read';
import type { ReadOptions } from './read-options';
import { checkRow, emptyData } from './validate';

/** Where training data may come from, besides two lists: a file's path, or rows one after another. */
export type DataSource = string | Iterable<ScoredRow> | AsyncIterable<ScoredRow>;

/** Rows that are taken from a synchronous iterable before the event loop gets its turn. */
const rowsAtOnce = 10000;

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

/**
 * Reads a source to its end. `signal` stops it between rows, and the source's own iterator is closed then.
 * Errors of the source itself are passed on as they are.
 */
export async function collectPairs(
  source: DataSource,
  file: ReadOptions | undefined,
  signal: AbortSignal,
): Promise<PairData> {
  const data: PairData = { pairs: [], scores: [] };
  const add = (row: ScoredRow) => {
    data.pairs.push([row.text1, row.text2]);
    data.scores.push(row.score);
  };
  if (typeof source === 'string') {
    for await (const row of streamRows(source, file)) {
      signal.throwIfAborted();
      add(row);
    }
    return data;
  }
  if (file !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'The option file tells how to read a data file, but the data is ' + 'not the path of one.',
    );
  }
  const rows = source as Partial<Iterable<ScoredRow> & AsyncIterable<ScoredRow>> | null;
  if (typeof rows?.[Symbol.asyncIterator] === 'function') {
    for await (const row of untilAborted(rows as AsyncIterable<ScoredRow>, signal)) {
      add(checkRow(row, { row: data.pairs.length }));
    }
  } else if (typeof rows?.[Symbol.iterator] === 'function') {
    for (const row of rows as Iterable<ScoredRow>) {
      add(checkRow(row, { row: data.pairs.length }));
      if (data.pairs.length % rowsAtOnce !== 0) continue;
      await new Promise(setImmediate);
      signal.throwIfAborted();
    }
  } else {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `Training data must be two lists (pairs, scores), the path of ` +
        `a file, or an iterable of rows { text1, text2, score }, but is ${show(source)}.`,
    );
  }
  if (data.pairs.length === 0) throw emptyData('the iterable gave no rows');
  return data;
}
