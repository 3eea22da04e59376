import {
  callback,
  custom,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, say, words } from '../system/wording';
import type { EvaluateEvent } from './events';
import { similarityNames, type SimilarityName } from './similarities';

export const intervalTable = {
  /** Resamples, from 100. Default 1000. */
  samples: optional(integer(100, 1e6), 1000),
  /** Share of the resamples between the bounds, above 0.5 and below 1. Default 0.95. */
  confidence: optional(
    numeric('a number above 0.5 and below 1', (n) => n > 0.5 && n < 1),
    0.95,
  ),
  /** Seed of the resamples. Default 1. */
  seed: optional(integer(0, 2 ** 32 - 1), 1, {
    flag: '--seed <n>',
    help: 'seed of the resamples that the intervals come from',
  }),
};

/** How intervals are made. */
export interface IntervalOptions extends OptionsOf<typeof intervalTable> {}
/** `IntervalOptions` with every default filled in. */
export type ResolvedIntervals = ResolvedOf<typeof intervalTable>;

const intervals = custom<boolean | IntervalOptions, ResolvedIntervals | null>(
  'switch',
  (path, value) => {
    if (value === false) return null;
    return resolveTable(intervalTable, value === true ? undefined : value, { name: say`${option(path)}`, path });
  },
  intervalTable,
);

const similarity = custom<SimilarityName | readonly SimilarityName[], readonly SimilarityName[]>(
  'text',
  (path, value) => {
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > 0 && list.every((name) => similarityNames.includes(name as SimilarityName))) {
      return [...new Set(list)] as SimilarityName[];
    }
    const quoted = similarityNames.map((name) => `'${name}'`).join(', ');
    throw invalidOption(path, say`one of ${words(`${quoted}, or a list of them`, similarityNames.join(', '))}`, value);
  },
);

const defaultIntervals: ResolvedIntervals | null = { samples: 1000, confidence: 0.95, seed: 1 };
const defaultSimilarity: readonly SimilarityName[] = ['cosine'];

export const evaluateTable = {
  /** How vectors are compared; of several, the first decides `metrics`. Default 'cosine'. */
  similarity: optional(similarity, defaultSimilarity, {
    flag: '--similarity <name>',
    help: 'cosine, dot, euclidean or manhattan',
    aliases: ['similarityFnNames', 'similarityFunction', 'mainSimilarity', 'scoreFunctions', 'distance', 'metric'],
  }),
  /** Most tokens of a text, special tokens included. Default: the model's own limit. */
  maxInputLength: optional(integer(3), undefined, {
    flag: '--max-input-length <tokens>',
    help: 'most tokens of a text',
    unset: "the model's own limit",
    aliases: ['maxSeqLength', 'maxSequenceLength', 'maxLength', 'modelMaxLength', 'maxTokens'],
  }),
  /** Only the first so many numbers of each vector are used (Matryoshka). Default: all. */
  dimensions: optional(integer(1), undefined, {
    flag: '--dimensions <n>',
    help: 'only the first so many numbers of each vector are used',
    unset: 'all',
    aliases: ['truncateDim', 'dim', 'embeddingSize'],
  }),
  /** Two-sided intervals by bootstrap; false leaves them out. Default: 95 % of 1,000 resamples. */
  intervals: optional(intervals, defaultIntervals, {
    flag: '--no-intervals',
    help: 'no intervals: only the measures themselves',
    aliases: ['bootstrap', 'confidenceIntervals'],
  }),
  /** Is told while the evaluation goes on. */
  onProgress: optional(callback<(event: EvaluateEvent) => void>(), undefined, {
    aliases: ['callback', 'progress', 'onEvent', 'showProgressBar'],
  }),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, { aliases: ['abortSignal', 'abortController', 'controller'] }),
};

/** Options that all evaluators have. */
export interface EvaluateOptions extends OptionsOf<typeof evaluateTable> {}
/** `EvaluateOptions` after checks, with every default filled in. */
export type ResolvedEvaluateOptions = ResolvedOf<typeof evaluateTable>;
