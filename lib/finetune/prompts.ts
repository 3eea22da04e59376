import { isPairs, widths, type DataForm } from '../data/form';
import type { CollectedData } from '../data/source';
import { InvalidArgumentError } from '../system/errors';
import { custom } from '../system/option-table';
import { invalidOption, nearest } from '../system/options';
import { option, say } from '../system/wording';

/** One text for all columns, or one for each by its name. */
type OfSet = string | Readonly<Record<string, string>>;

/**
 * What stands before the texts of a row in training. sentence-transformers' training argument `prompts`: one text for all
 * columns, one for each by its name, or either by the names of the data sets.
 */
export type PromptChoice = OfSet | Readonly<Record<string, OfSet>>;

/** What stands before a text, and how many tokens of it the pooling leaves out. */
export interface Prompt {
  text: string;
  tokens: number;
}

/** What stands before the texts of rows that follow each other; see `rowPrompts`. */
export interface RowsPrompts {
  rows: number;
  prompts: readonly Prompt[];
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Texts by name. */
function isByName(value: unknown): value is Record<string, string> {
  const texts = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.values(value) : [];
  return texts.length > 0 && texts.every(isText);
}

export const promptChoice = custom<PromptChoice>('prompts', (path, value) => {
  if (isText(value)) return value;
  const entries = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (entries.length > 0 && entries.every(([, one]) => isText(one) || isByName(one)))
    return structuredClone(value) as PromptChoice;
  throw invalidOption(path, 'a text, or an object with a text for each column', value);
});

/** What the texts of a row are called; the last name is that of all which follow, too. */
const PARTS: Readonly<Record<DataForm, readonly [string, ...string[]]>> = {
  'scored-pairs': ['text1', 'text2'],
  'labelled-pairs': ['text1', 'text2'],
  'positive-pairs': ['anchor', 'positive'],
  triplets: ['anchor', 'positive', 'negative'],
  'classified-pairs': ['text1', 'text2'],
  classes: ['text'],
  vectors: ['text'],
  candidates: ['anchor', 'candidates'],
};

/** Columns that hold no text, in the words of files. */
const isLabel = (name: string): boolean => /^(?:class|category|vector|embedding|.*labels?|.*scores?)$/i.test(name);

/** Which texts of a row a name is of: those from the first to the last, which may be Infinity. */
type Named = Map<string, readonly [first: number, last: number]>;

/** By the names of the form's parts, and by those that the columns themselves have. */
function namesOf({ form, rows, facts }: CollectedData): Named {
  const named: Named = new Map();
  const parts = PARTS[form];
  parts.forEach((part, i) => named.set(part, [i, i + 1 < parts.length ? i : Infinity]));
  const labels = [facts.file?.columns['score'], facts.file?.columns['label'], facts.file?.columns['vector']];
  const columns = facts.columns.filter((name) => !labels.includes(name) && !isLabel(name)).slice(0, widths(rows).most);
  // A column that holds lists has all that follow.
  columns.forEach((name, i) => {
    if (!named.has(name)) named.set(name, [i, i + 1 < columns.length ? i : Infinity]);
  });
  return named;
}

/** A set of rows, as far as its prompts go. */
interface PromptedSet {
  name: string | null;
  data: CollectedData;
}

/** What was chosen for a set: by its name, else for the columns of all sets. Where only others are named it is nothing. */
function choiceOf(choice: PromptChoice, name: string | null): OfSet {
  if (isText(choice)) return choice;
  if (name !== null && Object.hasOwn(choice, name)) return choice[name]!;
  return Object.values(choice).every(isText) ? (choice as Record<string, string>) : '';
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a name that is no set's and no column's */
function checkNames(choice: PromptChoice, sets: readonly PromptedSet[]): void {
  if (isText(choice)) return;
  const setNames = sets.flatMap(({ name }) => name ?? []);
  for (const [name, one] of Object.entries(choice)) {
    if (setNames.includes(name)) {
      if (isText(one)) continue;
      const named = namesOf(sets.find((set) => set.name === name)!.data);
      for (const column of Object.keys(one)) if (!named.has(column)) throw noSuchColumn(column, [...named.keys()]);
      continue;
    }
    const columns = new Set(sets.flatMap(({ data }) => [...namesOf(data).keys()]));
    if (!isText(one)) throw noSuchSet(name, setNames);
    if (!columns.has(name)) throw noSuchColumn(name, [...columns, ...setNames]);
  }
}

/**
 * The prompts of each set's rows: a row's n-th text has the n-th, and where there is one prompt only, all have it. Where
 * nothing was chosen, all have what the model puts before every text; a column that is not named has none.
 *
 * @param promptOf a prompt by its name or as a text; of undefined, what the model puts before every text
 * @throws InvalidArgumentError ERR_INVALID_OPTION: a column or a set that is not there; and what `promptOf` throws
 */
export async function promptsOf(
  choice: PromptChoice | null,
  sets: readonly PromptedSet[],
  promptOf: (asked: string | undefined) => Promise<Prompt>,
): Promise<RowsPrompts[]> {
  if (choice !== null) checkNames(choice, sets);
  const all: RowsPrompts[] = [];
  for (const { name, data } of sets) {
    const of = choice === null ? null : choiceOf(choice, name);
    all.push({ rows: data.rows.length, prompts: await rowPrompts(of, data, promptOf) });
  }
  return all;
}

async function rowPrompts(
  choice: OfSet | null,
  data: CollectedData,
  promptOf: (asked: string | undefined) => Promise<Prompt>,
): Promise<readonly Prompt[]> {
  if (choice === null || isText(choice)) return [await promptOf(choice ?? undefined)];
  const named = namesOf(data);
  const none: Prompt = { text: '', tokens: 0 };
  const prompts = Array.from({ length: widths(data.rows).most }, () => none);
  const chosen: { range: readonly [number, number]; prompt: Prompt }[] = [];
  for (const [name, asked] of Object.entries(choice)) {
    const range = named.get(name);
    if (range !== undefined) chosen.push({ range, prompt: await promptOf(asked) });
  }
  // One column's own after what it has with others.
  const open = chosen.filter(({ range }) => range[1] === Infinity);
  const single = chosen.filter(({ range }) => range[1] !== Infinity);
  for (const { range, prompt } of [...open, ...single]) prompts.fill(prompt, range[0], range[1] + 1);
  return prompts;
}

function noSuchColumn(name: string, names: readonly string[]): InvalidArgumentError {
  const meant = nearest(name, names);
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('prompts')} names the column "${name}", but the texts of the rows are called ${names.join(', ')}.`,
    { remedy: meant === undefined ? undefined : say`Did you mean ${meant}?` },
  );
}

function noSuchSet(name: string, names: readonly string[]): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('prompts')} has prompts by column for the data set "${name}", but ${
      names.length === 0 ? 'there is one data set, which has no name' : `the data sets are ${names.join(', ')}`
    }.`,
  );
}

/** What stood before the texts, for a report: one text for all, or by the form's parts; null where nothing did. */
function toldOfSet({ prompts }: RowsPrompts, form: DataForm): OfSet | null {
  const texts = prompts.map(({ text }) => text);
  if (texts.every((text) => text === texts[0])) return texts[0] === '' ? null : texts[0]!;
  const parts = PARTS[form];
  const told = parts.map((part, i): [string, string] => [part, texts[Math.min(i, texts.length - 1)]!]);
  return Object.fromEntries(told.filter(([, text]) => text !== ''));
}

/** The same of all sets; of several by their names, those that have some. */
export function toldPrompts(prompts: readonly RowsPrompts[], sets: readonly PromptedSet[]): PromptChoice | null {
  if (sets.length === 1) return toldOfSet(prompts[0]!, sets[0]!.data.form);
  const told = sets.map(({ name, data }, i): [string, OfSet | null] => [name!, toldOfSet(prompts[i]!, data.form)]);
  const some = told.filter((one): one is [string, OfSet] => one[1] !== null);
  return some.length === 0 ? null : Object.fromEntries(some);
}

/** The rows to keep are pairs of their own: what all columns have goes for them, what single ones have does not. */
export function keptPrompts(choice: PromptChoice | null, sets: readonly PromptedSet[]): PromptChoice | null {
  if (choice === null || isText(choice)) return choice;
  const parts = PARTS['scored-pairs'];
  const pairs =
    sets.every(({ data }) => isPairs(data.form)) && Object.keys(choice).every((name) => parts.includes(name));
  return pairs ? choice : null;
}

/** In one line, as a card tells it. */
export function promptsLine(choice: PromptChoice): string {
  if (isText(choice)) return JSON.stringify(choice);
  return Object.entries(choice)
    .map(([name, one]) => (isText(one) ? `${name}: ${JSON.stringify(one)}` : `${name} (${promptsLine(one)})`))
    .join(', ');
}
