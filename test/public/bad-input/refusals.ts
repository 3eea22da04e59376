import {
  InvalidArgumentError,
  type ErrorCode,
  type FinetuneOptions,
  type ScoredRow,
  type TextVectorisation,
  type VectuneError,
} from '../../../lib';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from '../models';
import { lists, scoredRows } from '../rows';
import { rejection } from '../runs';

/**
 * What is wrong is refused before anything is touched: the error has its class and code and names the row or file,
 * the model gives the same bits as before, and nothing native is left behind.
 */

export const models = useModels();
export const rows = scoredRows(8);
export const { pairs, scores } = lists(rows);
export const quick: FinetuneOptions = { epochs: 1, validationSplit: 0 };

export interface Refusal {
  error?: new (...args: never[]) => VectuneError;
  code: ErrorCode;
  message?: RegExp;
  row?: number;
  file?: string;
}

export function expectRefusal(
  error: unknown,
  { error: type = InvalidArgumentError, code, message = /./, row, file }: Refusal,
) {
  expect(error).toBeInstanceOf(type);
  const refusal = error as VectuneError;
  expect({ name: refusal.name, code: refusal.code, row: refusal.row, file: refusal.file }).toEqual({
    name: type.name,
    code,
    row,
    file,
  });
  expect(refusal.message).toMatch(message);
  if (row !== undefined) expect(refusal.message).toMatch(new RegExp(`\\b${row}\\b`));
  if (file !== undefined) expect(refusal.message).toContain(file);
}

/** Does `work` on a loaded model; it must reject (not throw), and leave the model and the engine as they were. */
export async function expectUntouched(
  work: (model: TextVectorisation) => PromiseLike<unknown>,
  refusal: Refusal,
): Promise<void> {
  const model = models.open(fixture('bert-dense'));
  const before = bits(await model.embed(PROBE_TEXTS));
  const live = await liveObjects();
  const promise = work(model);
  expectRefusal(await rejection(promise), refusal);
  expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  expect(await liveObjects()).toEqual(live);
}

/** The error of `work`, which must throw and not reject. */
export function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('expected it to throw');
}

/** The rows with one of them changed. */
export function rowsWith(row: number, change: object): ScoredRow[] {
  return rows.map((given, i) => (i === row ? { ...given, ...change } : given));
}
