import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TOKENIZER_FILES } from '../../tokenisation/tokenizer-files';
import { ADAPTER_CONFIG } from '../folder/adapter';
import { lackingWeights } from './cache';

/**
 * Hugging Face's own cache, which Python's libraries share: models--owner--name with the commit of each branch and tag in
 * refs, the files of a commit in snapshots, links to blobs, and names of files that a commit is known not to have in
 * .no_exist. Only read; a snapshot of which something is missing is not used.
 */

/** Where the cache lies, as huggingface_hub finds it. */
export function hubCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment['HF_HUB_CACHE'] || environment['HUGGINGFACE_HUB_CACHE'];
  if (own) return expanded(own);
  const home = environment['HF_HOME'];
  if (home) return join(expanded(home), 'hub');
  return join(expanded(environment['XDG_CACHE_HOME'] || join('~', '.cache')), 'huggingface', 'hub');
}

function expanded(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

export type HubCacheFinding =
  | { folder: string; revision: string }
  /** `reason`: why there is nothing to use at `place`. */
  | { folder?: undefined; place: string; reason: string };

/** The whole snapshot of a model at a branch, tag or commit. */
export async function findInHubCache(
  id: string,
  revision: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<HubCacheFinding> {
  const place = join(hubCacheFolder(environment), `models--${id.replaceAll('/', '--')}`);
  if (!(await isThere(place))) return { place, reason: 'it is not there' };
  const written = await readFile(join(place, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
  const commit = written.trim() || revision;
  const folder = join(place, 'snapshots', commit);
  if (!/^[\w.-]+$/.test(commit) || !(await isThere(folder))) {
    return { place, reason: `it has no snapshot of revision ${revision}` };
  }
  const missing = await whatIsMissing(folder, join(place, '.no_exist', commit));
  return missing === undefined ? { folder, revision: commit } : { place: folder, reason: missing };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Why a snapshot is not the whole model; libraries fetch only the files that they ask for. */
async function whatIsMissing(folder: string, absent: string): Promise<string | undefined> {
  const plain = !(await isThere(join(folder, 'modules.json')));
  // Without modules.json it would be read as a plain model and pooled by its mean: it must be known that there is none.
  if (plain && !(await isThere(join(absent, 'modules.json')))) return 'modules.json was not fetched';
  const lacks = await lackingWeights(folder);
  if (lacks !== undefined) return `${lacks} was not fetched`;
  const names = await modulePaths(folder, plain);
  const encoder = names[0]?.[0] ?? '';
  const isAdapter = await isThere(join(folder, encoder, ADAPTER_CONFIG));
  for (const [path, kind] of names) {
    // The first two need none; an adapter's encoder has its base's.
    if (kind === 'Normalize' || kind === 'StaticEmbedding' || (isAdapter && path === encoder)) continue;
    if (!(await isThere(join(folder, path, 'config.json')))) return `${join(path, 'config.json')} was not fetched`;
  }
  if (isAdapter) return undefined; // its tokenizer may be the base's
  const needed = TOKENIZER_FILES.filter(
    (name) => name === 'tokenizer.json' || name.startsWith('vocab.') || name.endsWith('.model'),
  );
  const found = await Promise.all(needed.map((name) => isThere(join(folder, encoder, name))));
  return found.includes(true) ? undefined : 'its tokenizer was not fetched';
}

/** Path and class of each module. */
async function modulePaths(folder: string, plain: boolean): Promise<[path: string, kind: string][]> {
  if (plain) return [['', 'Transformer']];
  try {
    const list = JSON.parse(await readFile(join(folder, 'modules.json'), 'utf8')) as { path?: string; type?: string }[];
    return list.map(({ path, type }) => [path ?? '', String(type).split('.').at(-1)!]);
  } catch {
    return [['', 'Transformer']]; // its reader tells what is wrong with it
  }
}
