import { show } from '../system/options';
import { InvalidArgumentError } from '../system/errors';
import type { PairData, ScoredRow, TextPair } from './pair';

/** Where a row stands, for messages: the list's own element, or a row of a file. */
export interface RowPlace {
  row: number;
  file?: string | undefined;
}

function placeName(place: RowPlace): string {
  const row = `row ${place.row} (counted from 0)`;
  return place.file === undefined ? row : `${place.file}, ${row}`;
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
  if (typeof value !== 'object' || value === null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `A row must be an object { text1, text2, score }, but ` + `${placeName(place)} is ${show(value)}.`,
      { ...place },
    );
  }
  const row = value as Partial<Record<keyof ScoredRow, unknown>>;
  return {
    text1: checkText(row.text1, 'text1', place),
    text2: checkText(row.text2, 'text2', place),
    score: checkScore(row.score, place),
  };
}

/** Pairs and scores as two lists; the copy that is returned does not change with the caller's lists. */
export function checkPairs(pairs: unknown, scores: unknown): PairData {
  if (!Array.isArray(pairs)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `pairs must be a list of [text, text], but is ` + `${show(pairs)}.`,
    );
  }
  if (!Array.isArray(scores) && !(ArrayBuffer.isView(scores) && !(scores instanceof DataView))) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `scores must be a list of numbers, one for each pair, but ` + `is ${show(scores)}.`,
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
  const checked: PairData = { pairs: [], scores: [] };
  for (let row = 0; row < pairs.length; ++row) {
    const pair: unknown = pairs[row];
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `A pair must be a list of two texts, but pairs[${row}] is ` + `${show(pair)}.`,
        { row },
      );
    }
    const texts: TextPair = [checkText(pair[0], 'text 0', { row }), checkText(pair[1], 'text 1', { row })];
    checked.pairs.push(texts);
    checked.scores.push(checkScore(scoreList[row], { row }));
  }
  return checked;
}
