import { InvalidArgumentError } from '../system/errors';
import { checkSignal, show } from '../system/options';
import { say } from '../system/wording';
import { TextCounts, type DataFacts } from './facts';
import type { PairData, ScoredRow } from './pair';
import { readScored, type Reading } from './read';
import type { ReadOptions } from './read-options';
import { checkRow, emptyData, type pairRows } from './validate';

/** Where training data may come from, besides two lists: a file's path, or rows one after another. */
export type DataSource = string | Iterable<ScoredRow> | AsyncIterable<ScoredRow>;

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
export interface CollectedData extends PairData {
  facts: DataFacts;
}

/** Collects rows, and counts what is to be told of them. */
class Collector {
  readonly data: PairData = { pairs: [], scores: [] };
  readonly #counts = new TextCounts();

  add(text1: string, text2: string, score: number): void {
    this.data.pairs.push([text1, text2]);
    this.data.scores.push(score);
    this.#counts.add(text1, text2);
  }

  get rows(): number {
    return this.data.pairs.length;
  }

  collected({ file, notes }: Reading = { file: null, notes: [] }): CollectedData {
    return {
      ...this.data,
      facts: { emptyTexts: this.#counts.empty, file, notes: [...notes, ...this.#counts.notes()] },
    };
  }
}

/**
 * Reads a source to its end. `signal` stops it between rows, and the source's own iterator is closed then. The event loop
 * has its turn after some thousand rows. Errors of the source itself are passed on as they are.
 */
export async function collectPairs(
  source: DataSource,
  file: ReadOptions | undefined,
  signal: AbortSignal,
): Promise<CollectedData> {
  const collector = new Collector();
  if (typeof source === 'string') {
    const reading: Reading = { file: null, notes: [] };
    const own =
      file?.signal === undefined ? signal : AbortSignal.any([signal, checkSignal('file.signal', file.signal)]);
    // Waited for with the signal: a pipe may keep us waiting for ever.
    for await (const rows of untilAborted(readScored(source, { ...file, signal: own }, reading), own)) {
      for (const { text1, text2, score } of rows) collector.add(text1, text2, score);
    }
    return collector.collected(reading);
  }
  if (file !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'The option file tells how to read a data file, but the data is not the path of one.',
    );
  }
  const take = async (value: unknown): Promise<void> => {
    const { text1, text2, score } = checkRow(value, { row: collector.rows });
    collector.add(text1, text2, score);
    if (collector.rows % rowsAtOnce !== 0) return;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  };
  const rows = source as Partial<Iterable<ScoredRow> & AsyncIterable<ScoredRow>> | null;
  if (typeof rows?.[Symbol.asyncIterator] === 'function') {
    for await (const row of untilAborted(rows as AsyncIterable<ScoredRow>, signal)) await take(row);
  } else if (typeof rows?.[Symbol.iterator] === 'function') {
    for (const row of rows as Iterable<ScoredRow>) await take(row);
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
  if (collector.rows === 0) throw emptyData('the iterable gave no rows');
  return collector.collected();
}

/** Two lists (see `pairRows`); the event loop has its turn after some thousand rows. */
export async function collectLists(rows: ReturnType<typeof pairRows>, signal: AbortSignal): Promise<CollectedData> {
  const collector = new Collector();
  for (const [text1, text2, score] of rows) {
    collector.add(text1, text2, score);
    if (collector.rows % rowsAtOnce !== 0) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
  return collector.collected();
}
