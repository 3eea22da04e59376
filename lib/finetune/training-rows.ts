import { counted, isPairs, type TrainingData } from '../data/form';
import type { PairData, TextPair } from '../data/pair';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import type { DataWarningEvent } from './events/data';
import type { Split } from './split';

/** Scores that differ by no more than this teach no difference. */
const hundredth = 0.01;
/** For sums of floating-point numbers: 0.91 - 0.9 is above a hundredth. */
const rounding = 1e-6;
/** Where fewer rows than one in so many differ from the score that most have, it is told. */
const oneIn = 20;

/** A warning as it is told. */
export type DataWarning = Omit<DataWarningEvent, 'kind'>;

/** Lowest and highest score of the rows, and how many of them have the most frequent one. */
function spread(scores: readonly number[], rows: Int32Array): { low: number; high: number; most: number } {
  let low = Infinity;
  let high = -Infinity;
  const counts = new Int32Array(101);
  for (const row of rows) {
    const score = scores[row]!;
    low = Math.min(low, score);
    high = Math.max(high, score);
    ++counts[Math.round(100 * score)]!;
  }
  return { low, high, most: Math.max(...counts) };
}

const constant = ({ low, high }: { low: number; high: number }): boolean => high - low <= hundredth + rounding;

/** 'have the score 1', or 'have scores from 0.99 to 1'. */
function scored({ low, high }: { low: number; high: number }): string {
  return low === high ? `the score ${low}` : `scores from ${low} to ${high}`;
}

function every(rows: Int32Array, holds: (row: number) => boolean): boolean {
  for (const row of rows) if (!holds(row)) return false;
  return true;
}

/**
 * Refuses training rows from which nothing can be learned but to ruin the model, and gives what is to be told of rows that
 * are only doubtful.
 *
 * @throws InvalidArgumentError, unless `allowConstantScores`, or there is one row only: ERR_CONSTANT_SCORES: the scores of
 *   all training rows lie within a hundredth; ERR_CONSTANT_TEXTS: the two texts of every training row are the same.
 */
export function checkTrainingRows(data: PairData, split: Split, allowConstantScores: boolean): DataWarning[] {
  const { pairs, scores } = data;
  const { train, validation } = split;
  const training = spread(scores, train);
  // One row is told of as what it is, a set that is too small; with the others of the set it may still be of one score.
  const among = train.length === 1 ? spread(scores, Int32Array.from([...train, ...validation])) : training;
  if (!allowConstantScores && train.length + validation.length > 1) {
    if (train.length > 1 && every(train, (row) => pairs[row]![0] === pairs[row]![1])) throw sameTexts(train.length);
    if (constant(among)) throw constantScores(training, train.length, spread(scores, validation));
  }

  const warnings: DataWarning[] = [];
  const warn = (reason: DataWarning['reason'], message: string): void => {
    warnings.push({ type: 'data-warning', reason, message });
  };
  const others = train.length - training.most;
  if (!constant(training) && others * oneIn < train.length) {
    warn(
      'mostly-one-score',
      `All but ${others} of ${train.length} training rows have one score: from so few others a model learns little ` +
        'of what differs, and much about making all texts alike',
    );
  }
  if (validation.length > 0) {
    const validating = spread(scores, validation);
    if (constant(validating) && !constant(training)) {
      warn(
        'constant-validation',
        `${validation.length === 1 ? 'The one validation row has' : `All ${validation.length} validation rows have`} ` +
          `${scored(validating)}: ${validation.length === 1 ? 'its' : 'their'} loss tells nothing about texts that differ; take more rows, or another seed`,
      );
    }
  }
  const first = pairs[train[0]!]!;
  for (const column of [0, 1] as const) {
    if (train.length > 1 && every(train, (row) => pairs[row]![column] === first[column]))
      warn('constant-text', `text${column + 1} of all ${train.length} training rows is the same text`);
  }
  return warnings;
}

/**
 * The same of rows of any form.
 *
 * @throws InvalidArgumentError: as `checkTrainingRows`; ERR_CONSTANT_TEXTS: all texts of every training row are the same;
 *   ERR_SINGLE_CLASS: the training rows do not have two classes, one of them, where it is of single texts, of two
 */
export function checkRows(data: TrainingData, split: Split, allowConstantScores: boolean): DataWarning[] {
  const { form, rows, labels } = data;
  const { train } = split;
  if (isPairs(form)) {
    const pairs = { pairs: rows as TextPair[], scores: labels as number[] };
    return checkTrainingRows(pairs, split, allowConstantScores);
  }
  const compares = form !== 'vectors' && form !== 'classes';
  if (compares && train.length > 1 && !allowConstantScores) {
    const same = every(train, (row) => rows[row]!.every((text) => text === rows[row]![0]));
    if (same) throw sameTexts(train.length);
  }
  if (form === 'classes') checkClasses(labels, train);
  if (form === 'classified-pairs') checkPairClasses(labels, train);
  return [];
}

function checkClasses(labels: ArrayLike<number>, rows: Int32Array): void {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(labels[row]!, (counts.get(labels[row]!) ?? 0) + 1);
  if (counts.size > 1 && Math.max(...counts.values()) > 1) return;
  throw new InvalidArgumentError(
    'ERR_SINGLE_CLASS',
    counts.size === 1
      ? `All ${rows.length} training rows have one class: there is nothing to tell apart.`
      : `Each of the ${counted(rows.length, 'training row')} has a class of its own: no two texts belong together.`,
    { remedy: say`Add texts, so that there are two classes or more with several texts each.` },
  );
}

/** A classifier of one class says always the same. */
function checkPairClasses(labels: ArrayLike<number>, rows: Int32Array): void {
  if (rows.length < 2 || !every(rows, (row) => labels[row] === labels[rows[0]!])) return;
  throw new InvalidArgumentError(
    'ERR_SINGLE_CLASS',
    `All ${rows.length} training rows have the class ${labels[rows[0]!]}: there is nothing to tell apart.`,
    { remedy: say`Add pairs of other classes.` },
  );
}

/** For rows that compare nothing: their similarity is 1 under any weights. */
function sameTexts(rows: number): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_CONSTANT_TEXTS',
    `All ${rows} training rows have the same text twice: there is nothing to compare, and nothing to learn.`,
    { remedy: say`Look whether the columns of the texts are the right ones.` },
  );
}

function constantScores(
  training: { low: number; high: number },
  rows: number,
  validating: { low: number; high: number },
): InvalidArgumentError {
  // Validation may have taken the only rows that differ.
  const elsewhere = validating.low < training.low - hundredth || validating.high > training.high + hundredth;
  return new InvalidArgumentError(
    'ERR_CONSTANT_SCORES',
    `${rows === 1 ? 'The training row and those to validate with have' : `All ${rows} training rows have`} ${scored(training)}${elsewhere ? ' (the rows with others were drawn for validation)' : ''}. From rows of one ` +
      'score a model does not learn which texts differ: it becomes better on them by making all texts alike, or none.',
    {
      remedy: say`Add rows with other scores (pairs that are not alike, with low ones)${
        elsewhere ? say`, or take another ${option('seed')}` : ''
      }; pass ${option('allowConstantScores', true)} if it is meant.`,
    },
  );
}
