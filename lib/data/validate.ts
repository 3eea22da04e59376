import { show } from '../system/options';
import { InvalidArgumentError } from '../system/errors';
import { say, type Wording } from '../system/wording';
import { roles, suggestColumns, type Role } from './columns';
import { placeOf } from './formats/table';
import type { ScoredRow } from './pair';

/** Where a row stands, for messages: the list's own element, or a row of a file. */
export interface RowPlace {
  row: number;
  file?: string | undefined;
  /** Of the file, from 1. */
  line?: number | undefined;
}

export function placeName({ row, file, line }: RowPlace): string {
  return file === undefined ? `row ${row} (counted from 0)` : placeOf({ file, row, line });
}

export function checkText(value: unknown, name: string, place: RowPlace): string {
  if (typeof value === 'string') return value;
  throw new InvalidArgumentError(
    'ERR_TEXT_TYPE',
    `A text must be a string (an empty one is fine), but ${name} of ` + `${placeName(place)} is ${show(value)}.`,
    { ...place },
  );
}

function checkScore(value: unknown, place: RowPlace): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError(
    'ERR_SCORE_RANGE',
    `A score must be a number from 0 to 1, but that of ` + `${placeName(place)} is ${show(value)}.`,
    { ...place },
  );
}

export function emptyData(what: string, file?: string): InvalidArgumentError {
  return new InvalidArgumentError('ERR_EMPTY_DATA', `There is nothing to train on: ${what}.`, { file });
}

/** A row of two texts and a score, as `readRows` gives it. */
export function checkRow(value: unknown, place: RowPlace): ScoredRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const list = Array.isArray(value) && value.length >= 3;
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `A row must be an object { text1, text2, score }, but ${placeName(place)} is ${show(value)}.`,
      {
        ...place,
        remedy: list
          ? say`Make objects of the lists: rows.map(([text1, text2, score]) => ({ text1, text2, score })).`
          : undefined,
      },
    );
  }
  const row = value as Partial<Record<keyof ScoredRow, unknown>>;
  const missing = roles.filter((role) => !(role in row));
  if (missing.length > 0) throw missingMembers(row, missing, place);
  return {
    text1: checkText(row.text1, 'text1', place),
    text2: checkText(row.text2, 'text2', place),
    score: checkScore(row.score, place),
  };
}

/**
 * Which members a row has in place of those that it should have, and the code that renames them.
 *
 * @param names of the parts in the rows before; by default those of `ScoredRow`
 */
export function missingMembers(
  row: object,
  missing: readonly Role[],
  place: RowPlace,
  names: readonly string[] = roles,
): InvalidArgumentError {
  const own = Object.keys(row);
  const titles = missing.map((role) => names[roles.indexOf(role)]!);
  const title = titles.length === 1 ? titles[0]! : `${titles.slice(0, -1).join(', ')} and ${titles.at(-1)!}`;
  return new InvalidArgumentError(
    missing.some((role) => role !== 'score') ? 'ERR_TEXT_TYPE' : 'ERR_SCORE_RANGE',
    `A row must be an object { ${names.join(', ')} }, but ${placeName(place)} has no ${title}; ` +
      (own.length === 0 ? 'it is empty.' : `it has ${own.slice(0, 12).join(', ')}${own.length > 12 ? ', …' : ''}.`),
    {
      ...place,
      remedy: own.length === 0 || roles.some((role, i) => role !== names[i]) ? undefined : renamed(own, missing),
    },
  );
}

/** The code that gives members the names of a scored pair's parts. */
function renamed(names: readonly string[], missing: readonly Role[]): Wording {
  const meant = suggestColumns(names, missing);
  const taken = roles.flatMap((role) =>
    missing.includes(role) ? (meant[role] === undefined ? [] : [meant[role]]) : [role],
  );
  const simple = taken.every((name) => /^[A-Za-z_$][\w$]*$/.test(name));
  const code = (name: string) => (simple ? name : `row[${JSON.stringify(name)}]`);
  const members = roles.map((role) =>
    missing.includes(role) ? `${role}: ${meant[role] === undefined ? '…' : code(meant[role])}` : role,
  );
  const from = simple && taken.length > 0 ? `{ ${taken.join(', ')} }` : 'row';
  return say`Did you mean rows.map((${from}) => ({ ${members.join(', ')} }))?`;
}

/** @throws InvalidArgumentError ERR_INVALID_ARGUMENT: they are no lists of rows and of what belongs to each */
export function checkLists(rows: unknown, labels: unknown): void {
  if (!Array.isArray(rows)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `pairs must be a list of [text, text], but is ` + `${show(rows)}.`,
    );
  }
  if (!Array.isArray(labels) && !(ArrayBuffer.isView(labels) && !(labels instanceof DataView))) {
    const first: unknown = rows[0];
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `scores must be a list of numbers, one for each pair, but is ${show(labels)}.`,
      {
        remedy:
          Array.isArray(first) && first.length === 3
            ? say`If the rows are lists of two texts and a score, pass objects: finetune(rows.map(([text1, text2, score]) => ({ text1, text2, score }))).`
            : undefined,
      },
    );
  }
}

/** @throws InvalidArgumentError ERR_INVALID_ARGUMENT: it is no list of two */
export function checkPair(pair: unknown, row: number): void {
  if (Array.isArray(pair) && pair.length === 2) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `A pair must be a list of two texts, but pairs[${row}] is ${show(pair)}.`,
    { row, remedy: pairRemedy(pair) },
  );
}

function pairRemedy(pair: unknown): Wording | undefined {
  if (Array.isArray(pair) && pair.length === 3 && typeof pair[2] !== 'string') {
    return say`Pass objects in place of the two lists: finetune(rows.map(([text1, text2, score]) => ({ text1, text2, score }))).`;
  }
  if (typeof pair !== 'object' || pair === null || Array.isArray(pair)) return undefined;
  return say`If each row has its score, pass the rows alone: finetune(rows), with rows { text1, text2, score }.`;
}
