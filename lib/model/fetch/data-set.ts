import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ListFileEntry } from '@huggingface/hub';
import { orAborted } from '../../system/aborted';
import { replaceFolder } from '../../system/atomic-folder';
import { cacheRoot } from '../../system/cache-root';
import { DownloadError, hasCode, InvalidArgumentError } from '../../system/errors';
import { option, placeholder, say, words } from '../../system/wording';
import { isHubId } from './cache';
import { isOffline, withRepository, type HubOptions } from './hub';

/** A data set of the hub: `hub:owner/name`, with a configuration and a revision where there are several. */
export interface HubDataSet {
  id: string;
  /** A configuration (subset), by its name. */
  config: string | undefined;
  /** Branch, tag or commit. */
  revision: string | undefined;
}

/** Where the hub keeps what it has made Parquet of itself. */
const CONVERTED = 'refs/convert/parquet';
const ORIGIN_FILE = 'vectune.json';

/**
 * What `hub:owner/name`, `hub:owner/name/config` and `hub:owner/name@revision` name; null for other texts.
 *
 * @throws InvalidArgumentError ERR_INVALID_ARGUMENT: it begins with `hub:`, and goes on as no data set is named
 */
export function hubDataSet(source: unknown): HubDataSet | null {
  if (typeof source !== 'string' || !source.startsWith('hub:')) return null;
  const [, id = '', config, revision] = /^hub:([^/@\s]+\/[^/@\s]+)(?:\/([\w.-]+))?(?:@([\w./-]+))?$/.exec(source) ?? [];
  if (isHubId(id) && !(revision ?? '').includes('..')) return { id, config, revision };
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `A data set of the hub is named hub:owner/name, hub:owner/name/config or hub:owner/name@revision, not ${source}.`,
  );
}

export interface FetchDataSetOptions extends Omit<HubOptions, 'revision' | 'onProgress'> {
  /** Where fetched data sets are kept; default the folder that `cacheRoot` gives. */
  cacheFolder?: string | undefined;
  offline?: boolean | undefined;
  /** Splits of which the first that is there is taken where none is named; default train. */
  usual?: readonly string[] | undefined;
  onProgress?: HubOptions['onProgress'];
}

/** Parquet files by configuration and split, from their paths: data/train-00000-of-00002.parquet, pair/train/0000.parquet. */
export function parquetFiles(paths: readonly string[]): Map<string, Map<string, string[]>> {
  const found = new Map<string, Map<string, string[]>>();
  for (const path of [...paths].sort()) {
    if (!path.endsWith('.parquet')) continue;
    const folders = path.split('/');
    const stem = folders
      .pop()!
      .replace(/\.parquet$/, '')
      .replace(/-\d{5}-of-\d{5}.*$/, '');
    const split = (/^\d+$/.test(stem) ? (folders.pop() ?? 'train') : stem).replace(/^partial-/, '');
    const config = folders.filter((name) => name !== 'data').join('/') || 'default';
    const splits = found.get(config) ?? new Map<string, string[]>();
    found.set(config, splits.set(split, [...(splits.get(split) ?? []), path]));
  }
  return found;
}

/**
 * Fetches the Parquet files of a split of a data set into the cache, whole or not at all, and gives their paths. What is in
 * the cache is not asked for again.
 *
 * @param split default: the first of `usual` that is there, else the only one
 * @throws DownloadError, AbortError, FileError: as for a model; InvalidArgumentError ERR_DATA_FILE: the repository has no
 *   Parquet files, ERR_INVALID_OPTION: not the configuration or the split, or several of which none is named
 */
export async function fetchDataSet(
  { id, config, revision }: HubDataSet,
  split: string | undefined,
  options: FetchDataSetOptions,
): Promise<string[]> {
  const usual = options.usual ?? ['train'];
  const meant = split ?? (options.usual === undefined ? '' : usual.join('+'));
  const parts = [id.replace('/', '--'), config ?? '', meant, revision?.replaceAll('/', '--') ?? ''];
  const folder = join(options.cacheFolder ?? cacheRoot(), 'datasets', parts.join('@').replace(/@+$/, ''));
  const kept = await cached(folder);
  if (kept !== undefined) return kept;
  if (options.offline ?? isOffline(options.environment)) {
    throw new DownloadError(
      'ERR_DOWNLOAD',
      say`The data set ${id} is not in vectune's cache, ${folder}, and the hub is not asked, being offline (${words('HF_HUB_OFFLINE or the option `offline`', 'HF_HUB_OFFLINE')}).`,
    );
  }
  const fetchAt = (at: string, otherwise?: () => Promise<string[]>): Promise<string[]> =>
    withRepository('dataset', id, { ...options, revision: at }, async (repository) => {
      const files = await repository.files();
      const wanted = choose(id, files, config, split, usual);
      if (wanted === undefined) {
        if (otherwise !== undefined) return otherwise();
        throw new InvalidArgumentError(
          'ERR_DATA_FILE',
          `The data set ${id} has no Parquet files. Download its files, and pass the path of one.`,
        );
      }
      const names = wanted.map(({ path }) => path.replaceAll('/', '--'));
      await replaceFolder(
        folder,
        async (fresh) => {
          for (const [i, entry] of wanted.entries()) await repository.fetch(entry, fresh, names[i]);
          const origin = { id, revision: repository.sha, files: names };
          await writeFile(join(fresh, ORIGIN_FILE), `${JSON.stringify(origin, null, 2)}\n`);
        },
        async () => (await cached(folder)) !== undefined,
      );
      return names.map((name) => join(folder, name));
    });
  if (revision !== undefined) return fetchAt(revision);
  return fetchAt('main', () =>
    fetchAt(CONVERTED).catch((error: unknown) => {
      if (!hasCode(error, 'ERR_DOWNLOAD')) throw error;
      throw new InvalidArgumentError(
        'ERR_DATA_FILE',
        `The data set ${id} has no Parquet files, neither its own nor the hub's. Download its files, and pass the path of one.`,
        { cause: error },
      );
    }),
  );
}

/** The files of a source that names a data set of the hub; undefined of another. Does not wait for them once it is stopped. */
export async function hubFiles(
  source: unknown,
  split: string | null,
  options: Omit<FetchDataSetOptions, 'signal'>,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const named = hubDataSet(source);
  if (named === null) return undefined;
  return orAborted(fetchDataSet(named, split ?? undefined, { ...options, signal }), signal);
}

async function cached(folder: string): Promise<string[] | undefined> {
  try {
    const { files } = JSON.parse(await readFile(join(folder, ORIGIN_FILE), 'utf8')) as { files: string[] };
    return files.map((name) => join(folder, name));
  } catch {
    return undefined;
  }
}

/** undefined where there are no Parquet files at all. */
function choose(
  id: string,
  files: readonly ListFileEntry[],
  config: string | undefined,
  split: string | undefined,
  usual: readonly string[],
): ListFileEntry[] | undefined {
  const configs = parquetFiles(files.map(({ path }) => path));
  if (configs.size === 0) return undefined;
  const names = [...configs.keys()];
  const chosen = config ?? (names.includes('default') ? 'default' : names.length === 1 ? names[0] : undefined);
  const splits = chosen === undefined ? undefined : configs.get(chosen);
  if (splits === undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      config === undefined
        ? `The data set ${id} has several configurations: ${names.join(', ')}.`
        : `The data set ${id} has no configuration ${config}; it has ${names.join(', ')}.`,
      { remedy: say`Name the one that is meant, as hub:${id}/${names[0]!}.` },
    );
  }
  const there = [...splits.keys()];
  const wanted = split ?? usual.find((name) => there.includes(name)) ?? (there.length === 1 ? there[0] : undefined);
  const paths = wanted === undefined ? undefined : splits.get(wanted);
  if (paths === undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      split === undefined
        ? `The data set ${id} has several splits, none of them ${usual.join(' or ')}: ${there.join(', ')}.`
        : `The data set ${id} has no split ${split}; it has ${there.join(', ')}.`,
      { remedy: say`Say which is meant, as ${option('split', there[0] ?? placeholder)}.` },
    );
  }
  return paths.map((path) => files.find((entry) => entry.path === path)!);
}
