import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { checkText, placeName, type RowPlace } from './validate';

/** What has numbers or other values one behind the other. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Text that is a number, as files have them. */
export const isNumber = /^\s*[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[+-]?\d+)?\s*$/i;

/** A list that stands in a cell of text, as JSON. */
export function parsed(value: unknown): unknown {
  if (typeof value !== 'string' || !value.trimStart().startsWith('[')) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

/** For what belongs to the texts of a row, and is not what it should be. */
export function labelError(message: string, place: RowPlace): InvalidArgumentError {
  return new InvalidArgumentError('ERR_LABEL', message, { ...place });
}

/** Whether it is finite in single precision, in which the engine has it. */
function isSingle(number: number): boolean {
  return Number.isFinite(Math.fround(number));
}

/** A number that the engine can have. */
export function finite(value: unknown, name: string, place: RowPlace): number {
  const number = typeof value === 'string' && isNumber.test(value) ? Number(value.replace(',', '.')) : Number(value);
  const typed = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string';
  if (typed && isSingle(number)) return number;
  throw labelError(`${name} must be a number, but that of ${placeName(place)} is ${show(value)}.`, place);
}

/** A list of such numbers. */
export function numbers(value: unknown, name: string, place: RowPlace): ArrayLike<number> {
  if (!isList(value) || value.length === 0)
    throw labelError(`${name} must be a list of numbers, but that of ${placeName(place)} is ${show(value)}.`, place);
  const list = Array.from(value, Number);
  const wrong = list.findIndex((number, i) => !isSingle(number) || !['number', 'bigint'].includes(typeof value[i]));
  if (wrong < 0) return list;
  throw labelError(
    `${name} must be a list of finite numbers, but ${name}[${wrong}] of ${placeName(place)} is ${show(value[wrong])}.`,
    place,
  );
}

/** A text, or a list of them. */
export function textList(value: unknown, name: string, place: RowPlace): string[] {
  if (!Array.isArray(value)) return [checkText(value, name, place)];
  // Lists in lists are one: all of them are texts of the row.
  const list = (value as unknown[]).some(Array.isArray) ? value.flat(Infinity) : value;
  return list.map((text: unknown, i) => checkText(text, `${name}[${i}]`, place));
}
