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

export function checkScore(value: unknown, place: RowPlace): number {
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

/** A row as it comes from an iterable. */
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

/** Which members a row has in place of those that it should have, and the code that renames them. */
function missingMembers(row: object, missing: readonly Role[], place: RowPlace): InvalidArgumentError {
  const names = Object.keys(row);
  const meant = suggestColumns(names, missing);
  const title = missing.length === 1 ? missing[0]! : `${missing.slice(0, -1).join(', ')} and ${missing.at(-1)!}`;
  const taken = roles.flatMap((role) =>
    missing.includes(role) ? (meant[role] === undefined ? [] : [meant[role]]) : [role],
  );
  const simple = taken.every((name) => /^[A-Za-z_$][\w$]*$/.test(name));
  const code = (name: string) => (simple ? name : `row[${JSON.stringify(name)}]`);
  const members = roles.map((role) =>
    missing.includes(role) ? `${role}: ${meant[role] === undefined ? '…' : code(meant[role])}` : role,
  );
  const from = simple && taken.length > 0 ? `{ ${taken.join(', ')} }` : 'row';
  return new InvalidArgumentError(
    missing.some((role) => role !== 'score') ? 'ERR_TEXT_TYPE' : 'ERR_SCORE_RANGE',
    `A row must be an object { text1, text2, score }, but ${placeName(place)} has no ${title}; ` +
      (names.length === 0
        ? 'it is empty.'
        : `it has ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}.`),
    {
      ...place,
      remedy: names.length === 0 ? undefined : say`Did you mean rows.map((${from}) => ({ ${members.join(', ')} }))?`,
    },
  );
}

/**
 * The rows of two lists, each of which is checked when it is called. The lists themselves are checked and copied at once; the
 * pairs in them are not, since a million of them would keep the event loop waiting.
 */
export function pairRows(
  pairs: unknown,
  scores: unknown,
): Generator<() => [text1: string, text2: string, score: number], void, undefined> {
  if (!Array.isArray(pairs)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `pairs must be a list of [text, text], but is ` + `${show(pairs)}.`,
    );
  }
  if (!Array.isArray(scores) && !(ArrayBuffer.isView(scores) && !(scores instanceof DataView))) {
    const first: unknown = pairs[0];
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `scores must be a list of numbers, one for each pair, but is ${show(scores)}.`,
      {
        remedy:
          Array.isArray(first) && first.length === 3
            ? say`If the rows are lists of two texts and a score, pass objects: finetune(rows.map(([text1, text2, score]) => ({ text1, text2, score }))).`
            : undefined,
      },
    );
  }
  const scoreList = scores as ArrayLike<unknown>;
  if (pairs.length !== scoreList.length) {
    throw new InvalidArgumentError(
      'ERR_LENGTH_MISMATCH',
      `There must be one score for each pair, but there are ` + `${pairs.length} pairs and ${scoreList.length} scores.`,
    );
  }
  if (pairs.length === 0) throw emptyData('the list of pairs is empty');
  return eachPair(pairs.slice(), (scores as unknown[]).slice());
}

function* eachPair(pairs: readonly unknown[], scores: readonly unknown[]): ReturnType<typeof pairRows> {
  for (let row = 0; row < pairs.length; ++row) {
    yield () => {
      const pair = pairs[row];
      if (!Array.isArray(pair) || pair.length !== 2) {
        throw new InvalidArgumentError(
          'ERR_INVALID_ARGUMENT',
          `A pair must be a list of two texts, but pairs[${row}] is ${show(pair)}.`,
          { row, remedy: pairRemedy(pair) },
        );
      }
      const text1 = checkText(pair[0], 'text 0', { row });
      return [text1, checkText(pair[1], 'text 1', { row }), checkScore(scores[row], { row })];
    };
  }
}

function pairRemedy(pair: unknown): Wording | undefined {
  if (Array.isArray(pair) && pair.length === 3 && typeof pair[2] === 'number') {
    return say`Pass objects in place of the two lists: finetune(rows.map(([text1, text2, score]) => ({ text1, text2, score }))).`;
  }
  if (typeof pair !== 'object' || pair === null || Array.isArray(pair)) return undefined;
  return say`If each row has its score, pass the rows alone: finetune(rows), with rows { text1, text2, score }.`;
}
