import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { InvalidArgumentError } from '../../system/errors';
import { option, say } from '../../system/wording';
import { containerOf, notData } from '../text/containers';
import { openParquetFile, ParquetValueError, type ParquetFile } from './parquet-pages';
import type { ParquetAnswer, ParquetRequest } from './parquet-worker';
import { tableError, type Table, type TableRow } from './table';

/**
 * A Parquet file, uncompressed or packed with Snappy, gzip, zstd, LZ4 or Brotli. It is decoded in a thread of its own: a page
 * cannot be decoded in parts, and may be as large as the writer liked. Where no thread can be had (the program is bundled
 * into one file, or may not start any) it is decoded here, the event loop's turn after each page.
 */
export async function openParquet(file: string, signal: AbortSignal | undefined): Promise<Table> {
  try {
    signal?.throwIfAborted();
    await checkMark(file);
    return new Parquet(file, (await openInThread(file, signal)) ?? (await openParquetFile(file)), signal);
  } catch (error) {
    throw signal?.aborted === true ? signal.reason : fault(file, error);
  }
}

/** Refuses what does not begin as Parquet does, by what it is. */
async function checkMark(file: string): Promise<void> {
  const handle = await open(file);
  let first: Buffer;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
    first = buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
  const mark = first.toString('latin1', 0, 4);
  if (mark === 'PAR1') return;
  const gzip = { is: 'packed with gzip', remedy: say`Unpack it first: Parquet is packed within.` };
  const other = first[0] === 0x1f && first[1] === 0x8b ? gzip : (containerOf(first) ?? notData(first.toString()));
  if (mark === 'PARE' || other !== undefined) {
    const { is, remedy } = other ?? {
      is: 'an encrypted Parquet file',
      remedy: say`Write it again without encryption.`,
    };
    throw tableError({ file }, `this is ${is}.`, remedy);
  }
  throw tableError(
    { file },
    'this cannot be read as Parquet: it does not begin with PAR1.',
    say`If it is text, name its format, as ${option('file.format', 'csv')}.`,
  );
}

function fault(file: string, error: unknown, columns?: readonly string[]): unknown {
  if (error instanceof InvalidArgumentError) return error;
  const message = (error as Error).message.replace(/\.$/, '');
  if (error instanceof ParquetValueError) {
    const column = columns?.[error.column];
    return tableError({ file, row: error.row, column }, `${message}.`, say`Write the text again as UTF-8.`, error);
  }
  const remedy = /codec/i.test(message)
    ? say`Write it again with Snappy, gzip, zstd, LZ4 or Brotli, or as CSV or JSON Lines.`
    : undefined;
  return tableError({ file }, `this cannot be read as Parquet: ${message}.`, remedy, error);
}

class Parquet implements Table {
  readonly names = 'format';
  readonly encoding = null;
  readonly delimiter = null;
  readonly columns: readonly string[];
  readonly #file: string;
  readonly #parquet: ParquetFile;
  readonly #signal: AbortSignal | undefined;

  constructor(file: string, parquet: ParquetFile, signal: AbortSignal | undefined) {
    this.#file = file;
    this.#parquet = parquet;
    this.#signal = signal;
    this.columns = parquet.columns;
  }

  async *rows(positions: readonly number[]): AsyncGenerator<TableRow[], void> {
    try {
      for await (const rows of this.#parquet.rows(positions)) {
        // Rows may be ready for many pieces: the event loop has its turn between them all the same.
        await new Promise(setImmediate);
        this.#signal?.throwIfAborted();
        yield rows.map((cells) => ({ cells }));
      }
    } catch (error) {
      if (this.#signal?.aborted === true) throw this.#signal.reason;
      throw fault(
        this.#file,
        error,
        positions.map((position) => this.columns[position]!),
      );
    } finally {
      await this.close();
    }
  }

  notes(): readonly string[] {
    return [];
  }

  close(): Promise<void> {
    return this.#parquet.close();
  }
}

/** Beside this file once it is compiled. */
const threadFile = join(__dirname, 'parquet-worker.js');

/** Opens the file in a thread; undefined where there can be none. */
async function openInThread(file: string, signal: AbortSignal | undefined): Promise<ParquetFile | undefined> {
  if (!existsSync(threadFile)) return undefined;
  let thread: ReadingThread;
  try {
    thread = new ReadingThread(file);
  } catch {
    return undefined; // as where --permission forbids threads
  }
  const stop = () => void thread.close();
  signal?.addEventListener('abort', stop);
  const close = async (): Promise<void> => {
    signal?.removeEventListener('abort', stop);
    await thread.close();
  };
  try {
    const first = await thread.answer();
    if (first.type !== 'columns') throw new Error('the reading thread did not begin');
    return { columns: first.columns, rows: (positions) => thread.rows(positions), close };
  } catch (error) {
    await close();
    if (error instanceof NoThreadError) return undefined;
    throw error;
  }
}

/** The thread itself failed before it did anything. */
class NoThreadError extends Error {}

class ReadingThread {
  readonly #worker: Worker;
  readonly #answers: ParquetAnswer[] = [];
  #failure: Error | undefined;
  #waiting: (() => void) | undefined;
  #begun = false;

  constructor(file: string) {
    // Without the flags of this process: they are for its own main program (--import, --inspect).
    this.#worker = new Worker(threadFile, { workerData: { file }, execArgv: [], stdin: false });
    this.#worker
      .on('message', (answer: ParquetAnswer) => {
        this.#begun = true;
        this.#answers.push(answer);
        this.#wake();
      })
      .on('error', (error) => {
        const memory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY';
        this.#fail(this.#begun || memory ? error : new NoThreadError(error.message, { cause: error }));
      })
      .on('exit', () => this.#fail(new Error('the reading was stopped')));
  }

  async *rows(positions: readonly number[]): AsyncGenerator<unknown[][], void, undefined> {
    this.#ask({ type: 'rows', positions });
    this.#ask({ type: 'next' });
    for (;;) {
      const answer = await this.answer();
      if (answer.type !== 'rows') return;
      // The next rows are decoded while these are used.
      this.#ask({ type: 'next' });
      yield answer.rows;
    }
  }

  /** The next answer. Only who waits for it keeps the process alive. */
  async answer(): Promise<ParquetAnswer> {
    this.#worker.ref();
    try {
      while (this.#answers.length === 0) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => {
          this.#waiting = resolve;
        });
      }
    } finally {
      this.#worker.unref();
    }
    const answer = this.#answers.shift()!;
    if (answer.type !== 'error') return answer;
    throw answer.row === undefined
      ? new Error(answer.message)
      : new ParquetValueError(answer.message, answer.row, answer.column!);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #ask(request: ParquetRequest): void {
    this.#worker.postMessage(request);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
