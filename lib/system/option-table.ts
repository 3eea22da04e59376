import { InvalidArgumentError } from './errors';
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkNumber,
  checkSignal,
  invalidOption,
  nearest,
  plain,
  show,
} from './options';
import { option, placeholder, say, type Wording } from './wording';

/*
 * Tables of options. A table is an object with an entry for each option, under its name and below its docstring:
 *
 *   export const finetuneTable = {
 *     /** Passes over the training rows, at most. Default 20. *‍/
 *     epochs: optional(integer(1), 20, { flag: '--epochs <n>', help: 'passes over the training rows, at most' }),
 *   };
 *   export interface FinetuneOptions extends OptionsOf<typeof finetuneTable> {}
 *
 * From it come the type that users see with its documentation (the compiler carries the docstrings along), the names that
 * are accepted, the checks, the defaults, and the flags of the command line with their help.
 */

/** How the value of a flag is typed; 'switch' is a flag without one, 'program' cannot be typed. */
export type Typed =
  | 'number'
  | 'number-or-word'
  | 'text'
  | 'text-or-switch'
  | 'texts'
  | 'bytes'
  | 'range'
  | 'numbers'
  | 'names'
  | 'words'
  | 'column'
  | 'columns'
  | 'loss'
  | 'prompts'
  | 'examples'
  | 'switch'
  | 'program';

/** What an option may be: what is passed is a `Given`, what comes of it a `Value`. */
export interface Check<Given, Value = Given> {
  /** Refuses with an InvalidArgumentError that names `path`. */
  check(path: string, value: unknown): Value;
  readonly typed: Typed;
  /** The table of an option that is an object. */
  readonly members?: OptionTable;
  /** Never there: it carries the type. */
  as?(given: Given): void;
}

/** What a table tells besides check and default. */
interface More {
  /** The flag, as commander writes it. `--no-…` gives false. */
  flag?: string;
  /** The flag's help, without the default. */
  help?: string;
  /** What happens where it is left out, for the help, where the default itself does not say it. */
  unset?: string;
  /** What gives it on the command line where no flag does: a variable of the environment. */
  variable?: string;
  /** Names that other programs have for it; case, `-` and `_` count for nothing. */
  aliases?: readonly string[];
}

export interface OptionalEntry<Given, Value, Default> extends Check<Given, Value>, More {
  readonly default: Default;
}

export interface RequiredEntry<Given, Value> extends Check<Given, Value>, More {
  readonly required: true;
}

/** An entry of any type. */
export type OptionEntry = Check<never, unknown> & More & { readonly default?: unknown; readonly required?: true };
export type OptionTable = Readonly<Record<string, OptionEntry>>;

type GivenOf<Entry> = Entry extends { as?(given: infer Given): void } ? Given : never;
type RequiredNames<Table> = {
  [Name in keyof Table]: Table[Name] extends { required: true } ? Name : never;
}[keyof Table];

/** The type of what is passed: mapped over the table itself, so that each member keeps its docstring. */
export type OptionsOf<Table> = {
  [Name in keyof Omit<Table, RequiredNames<Table>>]?: GivenOf<Table[Name]>;
} & {
  [Name in keyof Pick<Table, RequiredNames<Table>>]: GivenOf<Table[Name]>;
};

/** What `resolveTable` gives: every option, by its default where it was left out. */
export type ResolvedOf<Table> = {
  -readonly [Name in keyof Table]: Table[Name] extends OptionalEntry<never, infer Value, infer Default>
    ? Value | Default
    : Table[Name] extends RequiredEntry<never, infer Value>
      ? Value
      : never;
};

/** An option that may be left out, and then is `otherwise`. */
export function optional<Given, Value, const Default>(
  check: Check<Given, Value>,
  otherwise: Default,
  more: More = {},
): OptionalEntry<Given, Value, Default> {
  return { ...check, default: otherwise, ...more };
}

/** An option that must be given. */
export function required<Given, Value>(check: Check<Given, Value>, more: More = {}): RequiredEntry<Given, Value> {
  return { ...check, required: true, ...more };
}

export function integer(from: number, to?: number): Check<number> {
  return { typed: 'number', check: (path, value) => checkInteger(path, value, from, to) };
}

/** A finite number for which `accepts` holds; `expected` says so in words. */
export function numeric(expected: string, accepts: (n: number) => boolean, typed: Typed = 'number'): Check<number> {
  return { typed, check: (path, value) => checkNumber(path, value, expected, accepts) };
}

export function choice<const T extends string>(...choices: readonly T[]): Check<T> {
  return { typed: 'text', check: (path, value) => checkChoice(path, value, choices) };
}

export const flag: Check<boolean> = { typed: 'switch', check: checkBoolean };

/** A text that is not empty. */
export function text(expected = 'a text that is not empty'): Check<string> {
  return {
    typed: 'text',
    check(path, value) {
      if (typeof value === 'string' && value !== '') return value;
      throw invalidOption(path, expected, value);
    },
  };
}

export const signal: Check<AbortSignal> = { typed: 'program', check: checkSignal };
/** What an option `signal` is called elsewhere. */
export const signalNames = { aliases: ['abortSignal', 'abortController', 'controller'] } as const;

export function callback<T>(): Check<T> {
  return { typed: 'program', check: (path, value) => checkFunction<T>(path, value) };
}

/** Any check of one's own. */
export function custom<Given, Value = Given>(
  typed: Typed,
  check: (path: string, value: unknown) => Value,
  members?: OptionTable,
): Check<Given, Value> {
  return { typed, check, ...(members !== undefined && { members }) };
}

/** An object with the members of a table. */
export function object<const Table extends OptionTable>(table: Table): Check<OptionsOf<Table>, ResolvedOf<Table>> {
  return {
    typed: 'program',
    members: table,
    check: (path, value) => resolveTable(table, value, { name: say`${option(path)}`, path }),
  };
}

/** What is meant by names that are no option's, where it is more than another name; given the value, too. */
export type Misnomers = Readonly<Record<string, Wording | ((value: unknown) => Wording)>>;

/** Whose options a table has: who is called with them, and the path to them. */
export interface Owner {
  name: string | Wording;
  /** '' for the options' object itself. */
  path: string;
  misnomers?: Misnomers;
  /** Tables of others, whose options may have been passed here by mistake. */
  elsewhere?: readonly { name: string; table: OptionTable }[];
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** Every option of a table with its path, members of members too, each before its own members. */
export function flattened(table: OptionTable, path = ''): { path: string; entry: OptionEntry }[] {
  return Object.entries(table).flatMap(([name, entry]) => {
    const here = join(path, name);
    return [{ path: here, entry }, ...(entry.members === undefined ? [] : flattened(entry.members, here))];
  });
}

/** What is meant by a misnomer, if it is one of these. */
export function misnamed(name: string, value: unknown, misnomers: Misnomers): Wording | undefined {
  const found = Object.entries(misnomers).find(([wrong]) => plain(wrong) === plain(name))?.[1];
  return typeof found === 'function' ? found(value) : found;
}

/** What a name that is not in the table was meant to be, in a sentence. */
function meant(name: string, value: unknown, table: OptionTable, owner: Owner): Wording | undefined {
  const same = (known: string) => plain(known) === plain(name);
  const last = (path: string) => path.slice(path.lastIndexOf('.') + 1);
  const own = Object.keys(table);
  const nested = flattened(table).filter(({ path }) => path.includes('.'));
  const nestedPath = (is: (known: string) => boolean) =>
    nested.find(({ path, entry }) => [last(path), ...(entry.aliases ?? [])].some(is))?.path;

  const misnomer = misnamed(name, value, owner.misnomers ?? {});
  if (misnomer !== undefined) return misnomer;
  let path = own.find((known) => [known, ...(table[known]!.aliases ?? [])].some(same)) ?? nestedPath(same);
  if (path === undefined) {
    const other = owner.elsewhere?.find((there) => Object.keys(there.table).some(same));
    if (other !== undefined) return say`It is an option of ${other.name}.`;
    const near =
      nearest(name, own) ??
      nearest(
        name,
        nested.map((one) => last(one.path)),
      );
    if (near === undefined) return undefined;
    path = own.includes(near) ? near : nestedPath((known) => known === near)!;
  }
  return path.includes('.')
    ? say`Did you mean ${option(join(owner.path, path), value)}?`
    : say`Did you mean "${path}"?`;
}

/** Checks what was passed against a table: names, then each value. */
export function resolveTable<const Table extends OptionTable>(
  table: Table,
  given: unknown,
  owner: Owner,
): ResolvedOf<Table> {
  if (given !== undefined && (typeof given !== 'object' || given === null || Array.isArray(given))) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      owner.path === ''
        ? say`The options of ${owner.name} must be an object, but are ${show(given)}.`
        : say`${owner.name} must be an object, but is ${show(given)}.`,
    );
  }
  const values = (given ?? {}) as Record<string, unknown>;
  for (const name of Object.keys(values)) {
    if (Object.hasOwn(table, name)) continue;
    throw new InvalidArgumentError('ERR_UNKNOWN_OPTION', say`${owner.name} has no option "${name}".`, {
      remedy: meant(name, values[name], table, owner) ?? say`It has: ${Object.keys(table).join(', ')}.`,
    });
  }
  const resolved: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(table)) {
    const path = join(owner.path, name);
    if (values[name] !== undefined) resolved[name] = entry.check(path, values[name]);
    else if (entry.required) {
      throw new InvalidArgumentError('ERR_INVALID_OPTION', say`${option(path)} is missing.`, {
        remedy: say`Give ${option(path, placeholder)}.`,
      });
    } else resolved[name] = entry.default;
  }
  return resolved as ResolvedOf<Table>;
}
