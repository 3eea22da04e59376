import { fileOption, onBadRowOption } from '../data/read-options';
import type { EvaluateEvent } from '../evaluate/events';
import { promptTable } from '../evaluate/options';
import { hubTable } from '../model/fetch/hub-options';
import type { ModelDownloadEvent } from '../model/types';
import {
  callback,
  choice,
  custom,
  flag,
  integer,
  numeric,
  optional,
  signal,
  signalNames,
  text,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { invalidOption } from '../system/options';

const anyNumber = numeric('a number', () => true);
const share = numeric('a number from 0', (n) => n >= 0);

const corpus = custom<Iterable<string> | AsyncIterable<string>>('program', (path, value) => {
  const source = value as Partial<Iterable<string> & AsyncIterable<string>> | null;
  if (
    typeof value !== 'string' &&
    (typeof source?.[Symbol.iterator] === 'function' || typeof source?.[Symbol.asyncIterator] === 'function')
  )
    return value as Iterable<string>;
  throw invalidOption(path, 'a list or an (async) iterable of texts', value);
});

/** Options of `mineHardNegatives`, named as those of sentence-transformers 6.2.0's `mine_hard_negatives`. */
export const mineTable = {
  /** Texts that may be negatives, besides the positives. Default: of a BEIR folder its corpus, else the positives alone. */
  corpus: optional(corpus, undefined),
  /** So many of the most similar texts are left out, after all others that may not be negatives. Default 0. */
  rangeMin: optional(integer(0), 0, {
    flag: '--range-min <n>',
    help: 'so many of the most similar texts are no negatives',
  }),
  /**
   * Only so many of the most similar texts are looked at. Default: rangeMin and numNegatives, ten times as many where a
   * margin or a largest score is given, and the most positives of an anchor.
   */
  rangeMax: optional(integer(1), undefined, {
    flag: '--range-max <n>',
    help: 'only so many of the most similar texts are looked at',
    unset: 'as many as the other options need',
  }),
  /** A text that is more similar to the anchor is no negative. Default: none. */
  maxScore: optional(anyNumber, undefined, {
    flag: '--max-score <score>',
    help: 'a text that is more similar to the anchor is no negative',
  }),
  /** A text that is less similar to the anchor is no negative. Default: none. */
  minScore: optional(anyNumber, undefined, {
    flag: '--min-score <score>',
    help: 'a text that is less similar to the anchor is no negative',
  }),
  /** A negative is less similar than the anchor's least similar positive by so much. Default: none. */
  absoluteMargin: optional(anyNumber, undefined, {
    flag: '--absolute-margin <score>',
    help: "a negative is less similar than the anchor's least similar positive by so much",
    aliases: ['margin'],
  }),
  /** The same as a share of that positive's similarity: 0.05 is the best known. Default: none. */
  relativeMargin: optional(share, undefined, {
    flag: '--relative-margin <share>',
    help: "the same as a share of that positive's similarity, as 0.05",
  }),
  /** Negatives of an anchor. Default 3. */
  numNegatives: optional(integer(1), 3, { flag: '--num-negatives <n>', help: 'negatives of an anchor' }),
  /** 'top': the most similar that may be; 'random': any of them. Default 'top'. */
  samplingStrategy: optional(choice('top', 'random'), 'top', {
    flag: '--sampling-strategy <name>',
    help: 'top: the most similar that may be negatives; random: any of them',
  }),
  /** Of 'random'. Default 1. */
  seed: optional(integer(0, 2 ** 32 - 1), 1, { flag: '--seed <n>', help: 'seed of random' }),
  /** Put before each anchor: one of the model's prompts by its name, or a text. Default: what the model puts before a query. */
  queryPrompt: promptTable.queryPrompt,
  /** Put before each text that may be found, by its name or as a text. Default: what the model puts before a document. */
  corpusPrompt: promptTable.corpusPrompt,
  /** Positives stay where they are found, so that rows are whole rankings; `outputFormat` is 'n-tuple'. Default false. */
  includePositives: optional(flag, false, {
    flag: '--include-positives',
    help: 'positives stay where they are found, so that rows are rankings (n-tuple)',
  }),
  /** What a row is; see `MinedRow`. Default 'triplet', and with `includePositives` 'n-tuple'. */
  outputFormat: optional(choice('triplet', 'n-tuple', 'labeled-pair', 'labeled-list'), undefined, {
    flag: '--output-format <name>',
    help: 'triplet, n-tuple, labeled-pair or labeled-list',
    unset: 'triplet',
  }),
  /** Whether rows have similarities, in the place of labels where there are labels. Default false. */
  outputScores: optional(flag, false, {
    flag: '--output-scores',
    help: 'rows have similarities, in the place of labels where there are labels',
  }),
  /** How a file is read; of lists and objects, which member is which column, and how scores are written. */
  file: fileOption,
  /** Of a BEIR folder: whose judgements, `qrels/<split>.tsv`; of a data set of the hub: which split. Default: train, else the only one. */
  split: optional(text(), undefined, {
    flag: '--split <name>',
    help: 'of a BEIR folder: whose judgements, qrels/<name>.tsv; of a data set of the hub: which split',
    unset: 'train',
  }),
  /** What happens to rows that cannot be used: 'refuse' all, or 'skip' those, which `notes` tells. Default 'refuse'. */
  onBadRow: onBadRowOption,
  ...hubTable,
  /**
   * How the vectors of the texts that are searched are kept: 'fp32', or a quarter of it, 'int8', between the ranges of the
   * first 8,192; similarities are then those of what is kept. Default 'fp32'.
   */
  vectorPrecision: optional(choice('fp32', 'int8'), 'fp32', {
    flag: '--vector-precision <kind>',
    help: 'how the vectors that are searched are kept in memory: fp32 or int8',
    aliases: ['corpusPrecision', 'quantization'],
  }),
  /** Most tokens of a text, special tokens included. Default: the model's own limit. */
  maxInputLength: optional(integer(3), undefined, {
    flag: '--max-input-length <tokens>',
    help: 'most tokens of a text',
    unset: "the model's own limit",
  }),
  /** Is told while a data set of the hub is fetched, and while texts are embedded and compared. */
  onProgress: optional(callback<(event: EvaluateEvent | ModelDownloadEvent) => void>(), undefined),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `mineHardNegatives`. */
export interface MineOptions extends OptionsOf<typeof mineTable> {}
/** `MineOptions` after checks. */
export type ResolvedMineOptions = ResolvedOf<typeof mineTable>;
