import { InvalidArgumentError as NotThat, Option, type Command } from 'commander';
import { InvalidArgumentError } from '../system/errors';
import { isObject } from '../system/json';
import { flattened, type OptionEntry, type OptionTable, type Typed } from '../system/option-table';

/*
 * The flags of a table of options: declared to commander with their help and defaults, and what was typed brought back
 * into the shape that the library takes. What was not typed is left to the library, which also checks the values.
 */

/** The flag itself: `--no-quoting` of `--no-quoting`, `--epochs` of `--epochs <n>`. */
export function flagName(entry: OptionEntry): string | undefined {
  return entry.flag?.split(' ')[0];
}

const parsers: Partial<Record<Typed, (typed: string, before: unknown) => unknown>> = {
  number: toNumber,
  'number-or-word': (typed) => (Number.isNaN(Number(typed)) ? typed : toNumber(typed)),
  bytes: toBytes,
  range: toRange,
  numbers: toNumbers,
  names: toNames,
  words: toWords,
  // `#2` is a column by its number from 0, anything else a name.
  columns: toColumns,
  prompts: toPrompts,
  loss: toLoss,
  column: toColumn,
  examples: toExamples,
};

function toColumn(typed: string): string | number {
  return /^#\d+$/.test(typed) ? Number(typed.slice(1)) : typed;
}

/** `anchor=question,negative=n1,negative=n2`, beside those before it; a part that is there twice is a list. */
function toColumns(typed: string, given: unknown): Record<string, string | number | (string | number)[]> {
  const columns = { ...(given as Record<string, string | number | (string | number)[]> | undefined) };
  for (const setting of typed.split(',')) {
    const [, part, name] = /^\s*(\w+)\s*=(.+)$/.exec(setting) ?? [];
    if (part === undefined) throw new NotThat('Expected part=column, as anchor=question,positive=answer.');
    const column = toColumn(name!.trim());
    const before = columns[part];
    columns[part] = before === undefined ? column : [before, column].flat();
  }
  return columns;
}

/** `'query: '` for all columns, or `anchor=query`, beside those before it. */
function toPrompts(typed: string, before: unknown): string | Record<string, string> {
  const [, column, text] = /^(\w+)=(.*)$/s.exec(typed) ?? [];
  const others = typeof before === 'object' && before !== null ? before : {};
  if (column !== undefined && typeof before !== 'string') return { ...others, [column]: text! };
  if (column !== undefined || Object.keys(others).length > 0)
    throw new NotThat("Expected one text for all columns, or column=text for each, as anchor='query: '.");
  if (typeof before === 'string')
    throw new NotThat(`Expected one text for all columns, but '${before}' was given too.`);
  return typed;
}

/** `name=value` of a loss's option, beside those before it: numbers, true, false, a list with commas, or a word. */
export function toLossOption(typed: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [, name, text] = /^\s*(\w+)\s*=\s*(.+?)\s*$/.exec(typed) ?? [];
  if (name === undefined) throw new NotThat('Expected name=value, as scale=30.');
  const value = (word: string): unknown =>
    word === 'true'
      ? true
      : word === 'false'
        ? false
        : word !== '' && !Number.isNaN(Number(word))
          ? Number(word)
          : word;
  const words = text!.split(',').map((word) => word.trim());
  return { ...before, [name]: words.length > 1 || lists.has(name) ? words.map(value) : value(text!) };
}

/** A name, or JSON of a loss with its options. */
function toLoss(typed: string): string | Record<string, unknown> {
  if (!/^\s*[{[]/.test(typed)) return typed;
  try {
    const loss: unknown = JSON.parse(typed);
    if (isObject(loss)) return loss;
  } catch {
    // Said below.
  }
  throw new NotThat('Expected a name or JSON, as \'{"name":"triplet","triplet_margin":1}\'.');
}

/** `name=loss` of one of several data sets, beside those before it. */
export function toSetLoss(
  typed: string,
  before: Record<string, string | Record<string, unknown>> = {},
): Record<string, string | Record<string, unknown>> {
  const [, name, loss] = /^\s*(.+?)\s*=\s*(\{.*\}|[\w-]+)\s*$/s.exec(typed) ?? [];
  if (name === undefined) throw new NotThat('Expected file=loss, as questions=cosent.');
  return { ...before, [name]: toLoss(loss!) };
}

/** Options of losses that are lists, also of one. */
const lists = new Set(['matryoshka_dims', 'matryoshka_weights', 'directions', 'losses']);

/** `text|other|another`, behind those before it. */
function toExamples(typed: string, before: unknown): { text: string; others: string[] }[] {
  const [text, ...others] = typed.split('|').map((one) => one.trim());
  if (text === undefined || text === '' || others.length === 0 || others.includes(''))
    throw new NotThat('Expected a text and others, as "a refund?|money back|opening hours".');
  return [...((before as { text: string; others: string[] }[] | undefined) ?? []), { text, others }];
}

/** One or several names, as `fp32,int8`. */
function toNames(typed: string): string[] {
  return typed.split(',').map((name) => name.trim());
}

/** Two words, as `no,yes`. */
function toWords(typed: string): string[] {
  const words = typed.split(',').map((word) => word.trim());
  if (words.length !== 2) throw new NotThat('Expected two words, as no,yes.');
  return words;
}

function toNumber(typed: string): number {
  const number = Number(typed);
  if (typed.trim() === '' || Number.isNaN(number)) throw new NotThat('Expected a number.');
  return number;
}

/** Numbers, as 0.3,0.7. */
export function toNumbers(typed: string): number[] {
  return typed.split(',').map(toNumber);
}

/** Seconds above 0, as of `--log-every`. */
export function toSeconds(typed: string): number {
  const seconds = toNumber(typed);
  if (!(seconds > 0 && Number.isFinite(seconds))) throw new NotThat('Expected a number of seconds above 0.');
  return seconds;
}

function toBytes(typed: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?$/i.exec(typed.trim());
  if (match === null) throw new NotThat('Expected a size such as 2GB, 1800MB, or a number of bytes.');
  const unit = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[(match[2] ?? 'B').toUpperCase() as 'B' | 'KB' | 'MB' | 'GB'];
  return Math.round(Number(match[1]) * unit);
}

function toRange(typed: string): [number, number] {
  const parts = typed.split(',');
  if (parts.length !== 2) throw new NotThat('Expected two numbers, as 0,5.');
  return [toNumber(parts[0]!), toNumber(parts[1]!)];
}

/** `(default: …)`, where there is something to say. */
function defaultWords({ default: value, typed, unset }: OptionEntry): string {
  if (unset !== undefined) return ` (default: ${unset})`;
  if (typed === 'switch' || typed === 'text-or-switch') return '';
  if (typeof value === 'number') return ` (default: ${value > 0 && value < 1e-3 ? value.toExponential() : value})`;
  return typeof value === 'string' ? ` (default: ${value})` : '';
}

/** Declares the flags of a table, in its order. */
export function addFlags(command: Command, table: OptionTable): Command {
  for (const { entry } of flattened(table)) {
    if (entry.flag === undefined) continue;
    const option = new Option(entry.flag, `${entry.help ?? ''}${defaultWords(entry)}`);
    const parse = parsers[entry.typed];
    if (parse !== undefined) option.argParser(parse);
    command.addOption(option);
  }
  return command;
}

/** What was typed of a table's flags, as the options' object. */
export function typedOptions(command: Command, table: OptionTable): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { path, entry } of flattened(table)) {
    if (entry.flag === undefined) continue;
    const option = command.options.find(({ flags }) => flags === entry.flag)!;
    if (command.getOptionValueSource(option.attributeName()) !== 'cli') continue;
    const names = path.split('.');
    let members = options;
    for (const [i, name] of names.slice(0, -1).entries()) {
      members[name] ??= {};
      if (members[name] === false) {
        const off = flattened(table).find((parent) => parent.path === names.slice(0, i + 1).join('.'));
        throw new InvalidArgumentError(
          'ERR_INVALID_OPTION',
          `${off === undefined ? name : flagName(off.entry)} leaves nothing for ${flagName(entry)} to do; give one or the other.`,
        );
      }
      members = members[name] as Record<string, unknown>;
    }
    members[names.at(-1)!] = command.getOptionValue(option.attributeName());
  }
  return options;
}
