import { readFile } from 'node:fs/promises';
import { show } from './options';
import { ModelError } from './errors';
import { systemReason } from './system-error';

export type JsonObject = { [name: string]: unknown };

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** More levels than any model's files have; whatever walks the value (as its writer does) calls itself once a level. */
const MAX_DEPTH = 64;

/** Whether brackets are nested more levels deep, of text that is JSON. Ten times as fast as a walk through the value. */
function isDeeper(text: string, levels: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; ++i) {
    switch (text.charCodeAt(i)) {
      case 0x22: // to the string's end; what is escaped ends none
        for (++i; text.charCodeAt(i) !== 0x22; ++i) if (text.charCodeAt(i) === 0x5c) ++i;
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > levels) return true;
        break;
      case 0x5d:
      case 0x7d:
        --depth;
        break;
      default:
    }
  }
  return false;
}

/** As JSON.parse, but text that is nested too deep for the stack is a SyntaxError too. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (isDeeper(text, MAX_DEPTH)) throw new SyntaxError(`it is nested more than ${MAX_DEPTH} levels deep`);
  return value;
}

/** The file's JSON, or undefined where there is no such file. ERR_MODEL_FOLDER names a file that is not JSON. */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR') {
      return undefined;
    }
    throw new ModelError('ERR_MODEL_FOLDER', `Cannot read ${file}: ${systemReason(error)}.`, {
      file,
      cause: error,
    });
  }
  try {
    return parseJson(text);
  } catch (error) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file} is not valid JSON (${(error as Error).message}). The file is ` +
        'damaged or was cut off; fetch the model folder again.',
      { file, cause: error },
    );
  }
}

/** As readJson, for files whose JSON must be an object. */
export async function readJsonObject(file: string): Promise<JsonObject | undefined> {
  const value = await readJson(file);
  if (value === undefined || isObject(value)) return value;
  throw new ModelError('ERR_MODEL_FOLDER', `${file} must hold a JSON object, found ${show(value)}.`, { file });
}

/**
 * Typed access to the fields of a configuration file; what is missing or of another type is an error that names it. A
 * fallback is for a field that is not there: Python's readers pass on what is, so a boolean that is null is false, as
 * None is there, and a null elsewhere is refused.
 */
export class Fields {
  constructor(
    readonly object: JsonObject,
    readonly file: string,
  ) {}

  has(name: string): boolean {
    return this.object[name] !== undefined && this.object[name] !== null;
  }

  /** The first of `names` that the file has. */
  #find(names: string | readonly string[]): { name: string; value: unknown } {
    const list = typeof names === 'string' ? [names] : names;
    const name = list.find((candidate) => this.has(candidate)) ?? list[0]!;
    return { name, value: this.object[name] ?? undefined };
  }

  /** Whether a field with a fallback is to have that. */
  #isAbsent(name: string, value: unknown, fallback: unknown): boolean {
    return value === undefined && fallback !== undefined && this.object[name] !== null;
  }

  fail(name: string, expected: string, found: unknown): ModelError {
    const isNull = found === undefined && this.object[name] === null;
    const what = isNull ? 'found null' : found === undefined ? 'it is missing' : `found ${show(found)}`;
    return new ModelError('ERR_MODEL_FOLDER', `${this.file}: "${name}" must be ${expected}, ${what}.`, {
      file: this.file,
    });
  }

  integer(names: string | readonly string[], from: number, fallback?: number): number {
    const { name, value } = this.#find(names);
    if (this.#isAbsent(name, value, fallback)) return fallback!;
    if (Number.isSafeInteger(value) && (value as number) >= from) return value as number;
    throw this.fail(name, `an integer from ${from}`, value);
  }

  number(names: string | readonly string[], from: number, to: number, fallback?: number): number {
    const { name, value } = this.#find(names);
    if (this.#isAbsent(name, value, fallback)) return fallback!;
    if (typeof value === 'number' && value >= from && value <= to) return value;
    throw this.fail(name, `a number from ${from} to ${to}`, value);
  }

  boolean(name: string, fallback?: boolean): boolean {
    const { value } = this.#find(name);
    if (value === undefined && fallback !== undefined) return this.object[name] === null ? false : fallback;
    if (typeof value === 'boolean') return value;
    throw this.fail(name, 'true or false', value);
  }

  string(names: string | readonly string[], fallback?: string): string {
    const { name, value } = this.#find(names);
    if (this.#isAbsent(name, value, fallback)) return fallback!;
    if (typeof value === 'string') return value;
    throw this.fail(name, 'a string', value);
  }
}
