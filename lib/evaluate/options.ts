import {
  callback,
  custom,
  integer,
  numeric,
  optional,
  resolveTable,
  signal,
  signalNames,
  type OptionsOf,
  type ResolvedOf,
} from '../system/option-table';
import { invalidOption } from '../system/options';
import { option, say, words } from '../system/wording';
import type { AskedPrompt, Prompts } from './embedding';
import type { EvaluateEvent } from './events';
import { similarityNames, type SimilarityName } from './similarities';

export const intervalTable = {
  /** Resamples, from 100. Default 1000. */
  samples: optional(integer(100, 1e6), 1000, {
    flag: '--samples <n>',
    help: 'resamples that the intervals come from, from 100',
  }),
  /** Share of the resamples between the bounds, above 0.5 and below 1. Default 0.95. */
  confidence: optional(
    numeric('a number above 0.5 and below 1', (n) => n > 0.5 && n < 1),
    0.95,
    { flag: '--confidence <share>', help: 'share of the resamples between the bounds of an interval' },
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

/** What stands before a text, by name or by itself. */
export const prompt = custom<string>('text', (path, value) => {
  if (typeof value === 'string') return value;
  throw invalidOption(path, "the name of one of the model's prompts, or a text", value);
});

/** What stands before texts: the name of one of the model's prompts, or a text; '' is nothing. */
export const promptTable = {
  /**
   * Put before each text, unless it is a query or a document that `queryPrompt` or `corpusPrompt` is for: one of the model's
   * prompts by its name, or a text. Default: what the model itself puts there.
   */
  prompt: optional(prompt, undefined, {
    flag: '--prompt <name>',
    help: "one of the model's prompts by its name, or a text that is put before every text",
    unset: "the model's default, mostly none",
    aliases: ['promptName', 'instruction'],
  }),
  /** Put before what is searched with: queries and anchors. Default: `prompt`, else what the model puts before a query. */
  queryPrompt: optional(prompt, undefined, {
    flag: '--query-prompt <name>',
    help: 'the same, before queries and anchors',
    unset: 'what the model puts before a query',
    aliases: ['queryPromptName', 'queryInstruction'],
  }),
  /** Put before what is searched in: documents, positives, negatives. Default: `prompt`, else what the model puts there. */
  corpusPrompt: optional(prompt, undefined, {
    flag: '--corpus-prompt <name>',
    help: 'the same, before what is searched: documents, positives, negatives',
    unset: 'what the model puts before a document',
    aliases: ['corpusPromptName', 'documentPrompt', 'passagePrompt'],
  }),
};

/** The prompts of each role of texts. */
export function promptsOf({ prompt, queryPrompt, corpusPrompt }: ResolvedPrompts): Prompts {
  const asked = (name: string, text: string | undefined): AskedPrompt | undefined =>
    text === undefined ? undefined : { option: name, text };
  const all = asked('prompt', prompt);
  const [query, document] = [asked('queryPrompt', queryPrompt) ?? all, asked('corpusPrompt', corpusPrompt) ?? all];
  return { ...(all && { text: all }), ...(query && { query }), ...(document && { document }) };
}

/** Options of prompts, as far as they are there. */
export interface ResolvedPrompts {
  prompt?: string | undefined;
  queryPrompt?: string | undefined;
  corpusPrompt?: string | undefined;
}

export const evaluateTable = {
  /** How vectors are compared; of several, the first decides `metrics`. Default 'cosine'. */
  similarity: optional(similarity, defaultSimilarity, {
    flag: '--similarity <name>',
    help: 'cosine, dot, euclidean or manhattan',
    aliases: ['similarityFnNames', 'similarityFunction', 'mainSimilarity', 'scoreFunctions', 'distance', 'metric'],
  }),
  ...promptTable,
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
  signal: optional(signal, undefined, signalNames),
};

/** Options that all evaluators have. */
export interface EvaluateOptions extends OptionsOf<typeof evaluateTable> {}
/** `EvaluateOptions` after checks, with every default filled in. */
export type ResolvedEvaluateOptions = ResolvedOf<typeof evaluateTable>;
