import { custom, optional, type OptionsOf } from '../system/option-table';
import { invalidOption, nearest } from '../system/options';
import { InvalidArgumentError } from '../system/errors';
import { option, options, placeholder, say, type Wording } from '../system/wording';
import { tableError, type ColumnNames } from './formats/table';

const column = custom<string | number>('column', (path, value) => {
  if (typeof value === 'string' || (Number.isSafeInteger(value) && Number(value) >= 0)) return value as string | number;
  throw invalidOption(path, 'a column name, or its number from 0', value);
});

const columnList = custom<string | number | readonly (string | number)[], readonly (string | number)[]>(
  'program',
  (path, value) => (Array.isArray(value) ? value : [value]).map((one: unknown) => column.check(path, one)),
);

export const columnsTable = {
  /** Column of the first text. Default: one of the usual names. */
  text1: optional(column, undefined, {
    flag: '--text1 <column>',
    help: 'column of the first text: its name, or #0 for the first one',
  }),
  /** Column of the second text. Default: one of the usual names. */
  text2: optional(column, undefined, { flag: '--text2 <column>', help: 'column of the second text' }),
  /** Column of the score. Default: one of the usual names. */
  score: optional(column, undefined, { flag: '--score <column>', help: 'column of the score' }),
  /** Of another form: column of the query, or of a text that others are compared with. Default: anchor, query or question. */
  anchor: optional(column, undefined),
  /** Of another form: column of the text, or of the list of texts, that belongs to it. Default: positive, pos, answer, passage. */
  positive: optional(column, undefined),
  /** Of another form: columns of texts, or of lists of texts, that do not. Default: negative, neg, negative_1, negative_2 and so on. */
  negative: optional(columnList, undefined),
  /** Of another form: columns of the texts that have a class or a teacher's vector. Default: text or sentence. */
  text: optional(columnList, undefined),
  /** Of another form: column of the class, a word or a whole number. Default: label, class or category. */
  label: optional(column, undefined),
  /** Of another form: column of the teacher's vector, a list of numbers. Default: vector or embedding. */
  vector: optional(column, undefined),
  /** Of another form: column of the list of texts that a teacher has scored for the query in `anchor`. Default: candidates. */
  candidates: optional(column, undefined),
  /** Of another form: column of the teacher's scores, as many as candidates. Default: scores. */
  scores: optional(column, undefined),
};

/** The columns of a file: by name, or by number (from 0) where rows are lists. */
export interface ColumnChoice extends OptionsOf<typeof columnsTable> {}

export type Role = 'text1' | 'text2' | 'score';
export const roles: readonly Role[] = ['text1', 'text2', 'score'];

/** Names under which public data sets carry each column; compared without case, spaces and punctuation. */
const aliases: Record<Role, readonly string[]> = {
  text1: ['text1', 'sentence1', 'question1'],
  text2: ['text2', 'sentence2', 'question2'],
  score: ['score', 'similarity', 'similarityscore', 'label', 'isduplicate'],
};

/** Names that may well be meant, but are not taken without being told so. */
const likely: Record<Role, readonly string[]> = {
  text1: [
    'question',
    'query',
    'anchor',
    'premise',
    'sentence',
    'source',
    'text',
    'texta',
    'sentencea',
    'questiona',
    'sent1',
    's1',
    'q1',
    'title',
    'prompt',
    'input',
    'left',
    'a',
    'q',
  ],
  text2: [
    'answer',
    'passage',
    'positive',
    'hypothesis',
    'target',
    'document',
    'doc',
    'response',
    'textb',
    'sentenceb',
    'questionb',
    'sent2',
    's2',
    'q2',
    'context',
    'paraphrase',
    'body',
    'output',
    'completion',
    'right',
    'b',
  ],
  score: [
    'scores',
    'labels',
    'sim',
    'gold',
    'goldscore',
    'goldlabel',
    'rating',
    'relevance',
    'duplicate',
    'isparaphrase',
    'ismatch',
    'match',
    'class',
    'value',
    'y',
  ],
};

/** A column's name without case, spaces and punctuation. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** For each of the roles that `names` does not name itself, the name that may be meant. */
export function suggestColumns(names: readonly string[], wanted: readonly Role[]): Partial<Record<Role, string>> {
  const meant: Partial<Record<Role, string>> = {};
  const free = () =>
    names.filter((name) => !Object.values(meant).includes(name) && !roles.some((role) => isUsual(role, name)));
  for (const role of wanted) {
    const known =
      names.find((name) => isUsual(role, name)) ?? free().find((name) => likely[role].includes(plainName(name)));
    if (known !== undefined) meant[role] = known;
  }
  for (const role of wanted) {
    if (meant[role] !== undefined) continue;
    const near = aliases[role].map((alias) => nearest(alias, free())).find((name) => name !== undefined);
    if (near !== undefined) meant[role] = near;
  }
  return meant;
}

/** Whether it is one of the usual names of a scored pair's part. */
export function isUsual(role: Role, name: string): boolean {
  return aliases[role].includes(plainName(name));
}

/** Whether a file's columns have all that is looked for. */
export function hasColumns(names: readonly string[], choice: ColumnChoice): boolean {
  if (Object.keys(choice).some((part) => !roles.includes(part as Role))) return false;
  return roles.every((role) => {
    const chosen = choice[role];
    if (typeof chosen === 'number') return chosen < names.length;
    return chosen === undefined ? names.some((name) => isUsual(role, name)) : names.includes(chosen);
  });
}

/**
 * Finds each role's position among the names of columns. A column that was not chosen is found by its alias; two
 * candidates for one role are refused, since a guess could train on the wrong column. All that is wrong is said at once.
 *
 * @param file undefined of rows that are objects, whose members are the columns
 */
export function resolveColumns(
  file: string | undefined,
  names: readonly string[],
  choice: ColumnChoice,
  where: ColumnNames,
): Record<Role, number> {
  const other = Object.keys(choice).find((part) => !roles.includes(part as Role));
  if (other !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(`file.columns.${other}`)} is for training on rows of another form; here rows are two texts and a score.`,
    );
  }
  const found = {} as Record<Role, number>;
  const problems: Wording[] = [];
  const unknown: Role[] = [];
  const several: Role[] = [];
  const twice: [Role, number[]][] = [];
  const named: Record<string, unknown> = {};
  const path = (role: Role) => `file.columns.${role}`;
  for (const role of roles) {
    const chosen = choice[role];
    if (typeof chosen === 'number') {
      if (chosen >= names.length) {
        problems.push(
          say`${option(path(role))} is ${chosen}, but there are only ${names.length} columns (0 to ${names.length - 1}).`,
        );
      }
      found[role] = chosen;
      continue;
    }
    const candidates = names.flatMap((name, i) =>
      (chosen === undefined ? isUsual(role, name) : name === chosen) ? [i] : [],
    );
    if (candidates.length === 1) {
      found[role] = candidates[0]!;
    } else if (candidates.length > 1) {
      const same = new Set(candidates.map((i) => names[i])).size === 1;
      if (same) twice.push([role, candidates]);
      else several.push(role);
    } else if (chosen === undefined) {
      unknown.push(role);
    } else {
      const meant = nearest(chosen, names);
      problems.push(say`there is no column "${chosen}" (${option(path(role))}).`);
      named[path(role)] = meant ?? placeholder;
    }
  }
  for (const [role, at] of twice) {
    problems.push(
      say`${at.length} columns are called "${names[at[0]!]!}": numbers ${at.join(' and ')}, counted from 0.`,
    );
    named[path(role)] = at[0]!;
  }
  const title = (role: Role) => (role === 'score' ? 'the score' : role);
  for (const role of several) {
    problems.push(say`${names.filter((name) => isUsual(role, name)).length} columns may hold ${title(role)}.`);
    named[path(role)] = placeholder;
  }
  if (unknown.length > 0) {
    const list = unknown.map(title);
    problems.push(
      say`no column is known to hold ${list.length > 1 ? `${list.slice(0, -1).join(', ')} or ${list.at(-1)!}` : list[0]!}.`,
    );
    const meant = suggestColumns(names, unknown);
    for (const role of unknown) named[path(role)] = meant[role] ?? placeholder;
  }
  if (problems.length > 0) throw columnsError(file, names, problems, named, where);
  if (new Set(roles.map((role) => found[role])).size < 3) {
    throw refusal(file, say`two of text1, text2 and score are the same column.`);
  }
  return found;
}

function capitalised([first, ...rest]: Wording): Wording {
  return typeof first === 'string' ? [first.charAt(0).toUpperCase() + first.slice(1), ...rest] : [first!, ...rest];
}

function refusal(file: string | undefined, message: Wording, remedy?: Wording): InvalidArgumentError {
  if (file !== undefined) return tableError({ file }, message, remedy);
  return new InvalidArgumentError('ERR_INVALID_ARGUMENT', say`The rows: ${message}`, { remedy });
}

/** A column by its number, or by its name, as far as that is of use. */
export function quotedColumn(name: string | number): string {
  return typeof name === 'number' ? `number ${name}` : `"${name.length > 40 ? `${name.slice(0, 37)}...` : name}"`;
}

/** Columns by their names, as many as are of use. */
export function listedColumns(names: readonly string[]): string {
  const more = names.length > 30 ? ` and ${names.length - 30} more` : '';
  return `${names.slice(0, 30).map(quotedColumn).join(', ')}${more}`;
}

function columnsError(
  file: string | undefined,
  names: readonly string[],
  problems: readonly Wording[],
  named: Record<string, unknown>,
  where: ColumnNames,
): InvalidArgumentError {
  const message = problems.flatMap((problem, i) => [...(i === 0 ? problem : capitalised(problem)), ' ']);
  const byNumber = { 'file.columns.text1': 0, 'file.columns.text2': 1, 'file.columns.score': 2 };
  if (where === 'none') {
    const remedy = say`Say which columns they are, as ${options(byNumber)}.`;
    return refusal(file, say`${message}The columns have numbers only, 0 to ${names.length - 1}.`, remedy);
  }
  const settings = Object.keys(named).length === 0 ? undefined : options(named);
  const guessed = Object.values(named).some((name) => name !== placeholder);
  // Numbers or long texts, in place of names.
  const data = where === 'first row' && names.some((name) => /^-?[\d.,]+$/.test(name) || name.length > 60);
  const remedy = [
    ...(settings === undefined ? [] : guessed ? say`Did you mean ${settings}?` : say`Say which with ${settings}.`),
    ...(data && settings !== undefined
      ? say` If the first row is data already, pass ${options({ 'file.header': false, ...byNumber })}, with the numbers of your columns.`
      : []),
  ];
  return refusal(file, say`${message}The columns are: ${listedColumns(names)}.`, remedy);
}
