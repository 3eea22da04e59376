import { inspect } from 'node:util';
import { InvalidArgumentError } from './errors';
import { option, say, words, type Wording, type WordsMention } from './wording';

/**
 * Checks of options. Each refuses with an InvalidArgumentError that names the option by its path (see wording.ts), what
 * was expected and what was found; none converts a value.
 */

/** Edits (insert, delete, replace) that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; ++i) {
    const current = [i];
    for (let j = 1; j <= b.length; ++j) {
      const replace = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replace, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** A name without what people write differently: case, `-`, `_` and spaces. */
export function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[-_ ]/g, '');
}

/** The candidate nearest to `name` in spelling, if one is near enough to be meant. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(plain(name), plain(candidate));
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

/** A value that was given for an option, for a message: code in a program, as typed on the command line. */
export function found(value: unknown): WordsMention {
  const plain = (one: unknown) => typeof one === 'string' || typeof one === 'number';
  if (Array.isArray(value) && value.every(plain)) return words(show(value), value.slice(0, 5).join(','));
  return words(show(value), typeof value === 'string' ? value : show(value));
}

/** Short form of a value for a message. */
export function show(value: unknown): string {
  const text = inspect(value, { depth: 1, maxArrayLength: 3, maxStringLength: 60, breakLength: Infinity });
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

export function invalidOption(path: string, expected: string | Wording, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(path)} must be ${expected}, but is ${found(value)}.`,
  );
}

/** Refuses anything but an object (or undefined, as {}) whose keys are all in `known`. */
export function checkOptionNames(options: unknown, known: readonly string[], owner: string): Record<string, unknown> {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `The options of ${owner} must be an object, but are ` + `${show(options)}.`,
    );
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    throw new InvalidArgumentError(
      'ERR_UNKNOWN_OPTION',
      `${owner} has no option "${name}". ` +
        (meant === undefined ? `It has: ${known.join(', ')}.` : `Did you mean "${meant}"?`),
    );
  }
  return options as Record<string, unknown>;
}

export function checkInteger(name: string, value: unknown, from: number, to = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && (value as number) >= from && (value as number) <= to) return value as number;
  throw invalidOption(
    name,
    to === Number.MAX_SAFE_INTEGER ? `an integer from ${from}` : `an integer from ${from} to ${to}`,
    value,
  );
}

/** A finite number for which `accepts` holds; `expected` says so in words. */
export function checkNumber(name: string, value: unknown, expected: string, accepts: (n: number) => boolean): number {
  if (typeof value === 'number' && Number.isFinite(value) && accepts(value)) return value;
  throw invalidOption(name, expected, value);
}

export function checkBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw invalidOption(name, 'true or false', value);
}

export function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  const meant = typeof value === 'string' ? nearest(value, choices) : undefined;
  const quoted = words(choices.map((choice) => `'${choice}'`).join(', '), choices.join(', '));
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(name)} must be one of ${quoted}, but is ${found(value)}.`,
    { remedy: meant === undefined ? undefined : say`Did you mean ${words(`'${meant}'`, meant)}?` },
  );
}

export function checkFunction<T>(name: string, value: unknown): T {
  if (typeof value === 'function') return value as T;
  throw invalidOption(name, 'a function', value);
}

/** Recognised by what it does: an AbortSignal may come from another context of the virtual machine. */
export function checkSignal(name: string, value: unknown): AbortSignal {
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal === 'object' &&
    signal !== null &&
    typeof signal.aborted === 'boolean' &&
    typeof signal.addEventListener === 'function'
  )
    return value as AbortSignal;
  throw invalidOption(name, 'an AbortSignal', value);
}
