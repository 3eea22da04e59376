import { VectuneError, type ErrorCode } from '../../../../lib/system/errors';

type Class = abstract new (...args: never[]) => VectuneError;

/** The error that `promise` rejects with, which must be of this class and code. */
export async function rejection(promise: Promise<unknown>, type: Class, code: ErrorCode): Promise<VectuneError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof VectuneError)) throw new Error(`Expected ${code}, got ${String(error)}`, { cause: error });
  expect({ code: error.code, name: error.constructor.name, message: error.message }).toEqual({
    code,
    name: type.name,
    message: expect.any(String),
  });
  return error;
}
