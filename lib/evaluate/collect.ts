import { areTextRows, listRows, textRows, type LabelList, type TextList } from '../data/lists';
import type { ReadOptions } from '../data/read-options';
import { collectLists, collectRows, noSplit, type CollectedData } from '../data/source';
import type { DataSource } from '../data/training-row';
import { fetchDataSet, hubDataSet } from '../model/fetch/data-set';
import type { HubPlace } from '../model/fetch/hub-options';
import type { ModelDownloadEvent } from '../model/types';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { throwIfAborted } from './work';

/**
 * Rows to measure or to mine, as `finetune` takes them: the path of a file or of a BEIR folder, `hub:owner/name`, an (async)
 * iterable of rows as objects, or a list of rows of texts.
 */
export type RowSource = DataSource | readonly (readonly string[])[];

/** What was passed behind a source: labels, or options, or both. */
export interface Passed<Options> {
  labels: LabelList | undefined;
  options: Options | undefined;
}

/** @throws InvalidArgumentError: options behind options */
export function passed<Options>(who: string, second: unknown, third: unknown): Passed<Options> {
  const labelled = Array.isArray(second) || ArrayBuffer.isView(second);
  if (labelled) return { labels: second as unknown as LabelList, options: third as Options | undefined };
  if (third === undefined) return { labels: undefined, options: second as Options | undefined };
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `${who} takes texts, labels and options, or data and options, but behind the data it was given ${show(second)} and ${show(third)}.`,
  );
}

export interface CollectOptions {
  /** How a file is read, or the rows of lists and objects. */
  file: ReadOptions | undefined;
  onBadRow: 'refuse' | 'skip';
  split?: string | undefined;
  /** Splits of a data set of the hub of which the first that is there is taken where none is named; default train. */
  usual?: readonly string[] | undefined;
  /** Where data sets of the hub are fetched from and kept; what is left out is as the environment says. */
  hub?: HubPlace | undefined;
  /** Whether a label of two texts is one of several classes. Default false. */
  pairClasses?: boolean | undefined;
  /** Is told while a data set of the hub is fetched. */
  onProgress?: ((event: ModelDownloadEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Reads a source to its end, as `finetune` understands it.
 *
 * @throws InvalidArgumentError: the data or an option; DownloadError: the hub; AbortError
 */
export async function collect(
  source: RowSource | TextList,
  labels: LabelList | undefined,
  options: CollectOptions,
): Promise<CollectedData> {
  const { file, split, usual, onBadRow, hub, pairClasses = false, onProgress } = options;
  const signal = options.signal ?? new AbortController().signal;
  throwIfAborted(options.signal);
  try {
    const rows = labels === undefined && areTextRows(source) ? textRows(source, file) : undefined;
    const lists =
      rows ?? (labels !== undefined || listOfLists(source) ? listRows(source, labels, pairClasses, file) : undefined);
    if (lists !== undefined) {
      if (split !== undefined) throw noSplit();
      return await collectLists(lists, onBadRow, signal);
    }
    const named = hubDataSet(source);
    if (named === null && !isRows(source)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `The data must be the path of a file or folder, hub:owner/name, rows as objects or lists of texts, or texts and labels, but is ${show(source)}.`,
      );
    }
    const files =
      named === null
        ? undefined
        : await fetchDataSet(named, split, { ...hub, environment: process.env, usual, onProgress, signal });
    return await collectRows(
      source as DataSource,
      { file, onBadRow, split: split ?? null, files, pairClasses },
      signal,
    );
  } catch (error) {
    throwIfAborted(options.signal);
    throw error;
  }
}

function listOfLists(source: unknown): boolean {
  return Array.isArray(source) && Array.isArray(source[0]);
}

function isRows(source: unknown): boolean {
  if (typeof source === 'string') return true;
  const rows = source as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  return typeof rows?.[Symbol.iterator] === 'function' || typeof rows?.[Symbol.asyncIterator] === 'function';
}
