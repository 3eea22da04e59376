import { parentPort, workerData } from 'node:worker_threads';
import { openParquetFile, ParquetValueError } from './parquet-pages';

/** What the reading thread is asked for. */
export type ParquetRequest = { type: 'rows'; positions: readonly number[] } | { type: 'next' };

/** What it answers: first the columns, then rows for each `next`. */
export type ParquetAnswer =
  | { type: 'columns'; columns: readonly string[] }
  | { type: 'rows'; rows: unknown[][] }
  | { type: 'end' }
  | { type: 'error'; message: string; row?: number; column?: number };

/** The thread in which a Parquet file is decoded: however large a page is, only this thread stands still meanwhile. */
async function main(): Promise<void> {
  const port = parentPort!;
  const answer = (value: ParquetAnswer) => port.postMessage(value);
  const fail = (error: unknown): void => {
    const { message } = error as Error;
    answer(
      error instanceof ParquetValueError
        ? { type: 'error', message, row: error.row, column: error.column }
        : { type: 'error', message },
    );
  };
  try {
    const parquet = await openParquetFile((workerData as { file: string }).file);
    let rows: AsyncGenerator<unknown[][], void, undefined> | undefined;
    port.on('message', (request: ParquetRequest) => {
      if (request.type === 'rows') {
        rows = parquet.rows(request.positions);
        return;
      }
      // A generator takes one question after the other.
      rows!
        .next()
        .then(({ done, value }) => answer(done === true ? { type: 'end' } : { type: 'rows', rows: value! }), fail);
    });
    answer({ type: 'columns', columns: parquet.columns });
  } catch (error) {
    fail(error);
  }
}
void main();
