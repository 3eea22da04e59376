import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ListFileEntry } from '@huggingface/hub';
import {
  AbortError,
  DownloadError,
  FileError,
  InvalidArgumentError,
  ModelError,
  withoutRemedy,
} from '../../system/errors';
import { unlessSilent } from '../../system/silence';
import { SENTENCEPIECE_FILES, TOKENIZER_FILES } from '../../tokenisation/tokenizer-files';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../folder/adapter';
import { addToCache, shardsOf, WEIGHTS, type CachedOrigin } from './cache';
import { hubFetch, type HubAccess } from './hub-request';
import type { ModelDownloadEvent } from '../types';

export interface HubOptions {
  /** Branch, tag or commit; default 'main'. */
  revision: string;
  /** Address of the hub; default HF_ENDPOINT, else the public one. */
  hubUrl?: string | undefined;
  /** For private repositories; default HF_TOKEN. */
  accessToken?: string | undefined;
  onProgress?: ((event: ModelDownloadEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  environment?: NodeJS.ProcessEnv | undefined;
  /** How long the hub may be silent; default MAX_SILENCE_MS. */
  silenceMs?: number | undefined;
  /** How long to wait before a busy hub is asked again, for the first time. */
  firstPauseMs?: number | undefined;
}

const MODEL_FILES = new Set<string>([
  'modules.json',
  'config.json',
  'config_sentence_transformers.json',
  'model.safetensors',
  'model.safetensors.index.json',
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS[0],
  ...TOKENIZER_FILES,
]);
/** Whether a file of the repository belongs to the model as vectune reads it. */
export function isModelFile(path: string): boolean {
  const parts = path.split('/');
  const name = parts.at(-1)!;
  if (parts.length > 2 || parts.some((part) => part === '' || part.startsWith('.'))) return false;
  if (parts.length === 2 && !/^\d+_\w+$/.test(parts[0]!)) return false; // onnx/, openvino/ and the like
  return MODEL_FILES.has(name) || /^sentence_[\w-]+_config\.json$|^model-\d+-of-\d+\.safetensors$/.test(name);
}

/** Whether the environment forbids the hub, as Hugging Face's own clients read it. */
export function isOffline(environment: NodeJS.ProcessEnv = process.env): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((environment['HF_HUB_OFFLINE'] ?? '').toUpperCase());
}

/** The hub's client for one repository at one commit. */
interface Repository {
  /** The commit. */
  sha: string;
  files(): Promise<ListFileEntry[]>;
  /** Streams a file into the folder, under its own path or another; its SHA-256. */
  fetch(entry: ListFileEntry, folder: string, name?: string): Promise<string>;
}

/** What a repository holds. */
export type RepositoryKind = 'model' | 'dataset';

/**
 * Does `work` with a repository.
 *
 * @throws DownloadError ERR_DOWNLOAD: the hub does not answer, or has no such repository or revision; ERR_HUB_ACCESS;
 *   ERR_HUB_BUSY; ERR_CHECKSUM; AbortError; and what `work` throws as ModelError, FileError or InvalidArgumentError
 */
export async function withRepository<T>(
  kind: RepositoryKind,
  id: string,
  options: HubOptions,
  work: (repository: Repository) => Promise<T>,
): Promise<T> {
  const environment = options.environment ?? process.env;
  const hub = await import('@huggingface/hub');
  const accessToken = options.accessToken ?? environment['HF_TOKEN'];
  const hubUrl = (options.hubUrl ?? environment['HF_ENDPOINT'] ?? hub.HUB_URL).replace(/\/+$/, '');
  const { signal, silenceMs, firstPauseMs } = options;
  const access: HubAccess = {
    hubUrl,
    id,
    hasToken: Boolean(accessToken),
    signal,
    silenceMs,
    firstPauseMs,
    environment,
  };
  /** The client keeps of a failure in the middle of a file its message only. */
  let told: DownloadError | undefined;
  const common = {
    hubUrl,
    // Under the caller's signal; a hub that does not answer is given up.
    fetch: (input: Parameters<typeof fetch>[0], init?: RequestInit) =>
      hubFetch(input, init, access).catch((error: unknown) => {
        if (error instanceof DownloadError) told = error;
        throw error;
      }),
    ...(accessToken ? { accessToken } : {}),
  };
  const repo = { type: kind, name: id };
  try {
    const asked = { name: id, revision: options.revision, additionalFields: ['sha' as const], ...common };
    // Every file comes from this one commit, whatever is pushed meanwhile.
    const { sha } = kind === 'model' ? await hub.modelInfo(asked) : await hub.datasetInfo(asked);
    return await work({
      sha,
      files: async () => {
        const files: ListFileEntry[] = [];
        for await (const entry of hub.listFiles({ repo, recursive: true, revision: sha, ...common })) {
          if (entry.type === 'file') files.push(entry);
        }
        return files;
      },
      fetch: async (entry, folder, name = entry.path) => {
        // Plain HTTP: the hub's other protocol would be a second path to the same bytes.
        const blob = await hub.downloadFile({ repo, path: entry.path, revision: sha, xet: false, ...common });
        if (blob === null)
          throw new DownloadError('ERR_DOWNLOAD', `${hubUrl} lists ${entry.path} of ${id} but does not have it.`);
        return store(blob, entry, id, join(folder, name), options);
      },
    });
  } catch (error) {
    if (options.signal?.aborted) {
      throw new AbortError('ERR_ABORTED', `Fetching ${id} was stopped.`, { cause: options.signal.reason });
    }
    if (error instanceof ModelError || error instanceof InvalidArgumentError) throw error;
    const failure = told ?? error;
    if (failure instanceof DownloadError) {
      // Those of the requests are the end of a sentence.
      if (failure !== told) throw failure;
      const { code, remedy } = told;
      const said = withoutRemedy(told).replace(/\.$/, '');
      const text = `${hubUrl} did not give ${id} at revision ${options.revision}: ${said}.`;
      throw new DownloadError(code, text, { cause: told, remedy });
    }
    if (error instanceof FileError) throw error;
    throw new DownloadError(
      'ERR_DOWNLOAD',
      `${hubUrl} did not give ${id} at revision ${options.revision}: ` + `${describe(error)}.`,
      { cause: error },
    );
  }
}

/**
 * Fetches the files of a model from the Hugging Face hub into `folder`, which appears whole or not at all.
 *
 * @param check looks at the folder when all but its weights is there; what it throws ends the fetching
 * @throws what `withRepository` throws; DownloadError ERR_DISK_SPACE; FileError: the cache cannot be written; ModelError
 *   ERR_MODEL_FOLDER: the repository has no weights
 */
export async function fetchFromHub(
  id: string,
  folder: string,
  options: HubOptions,
  check?: (folder: string) => Promise<void>,
): Promise<CachedOrigin> {
  return withRepository('model', id, options, async (repository) => {
    const origin: CachedOrigin = { id, source: 'hub', revision: repository.sha, sha256: {} };
    const files = new Map((await repository.files()).map((entry) => [entry.path, entry]));
    const weights = chosenWeights(id, files);
    return addToCache(folder, origin, async (temporary) => {
      const fetchAll = async (paths: readonly string[]): Promise<void> => {
        for (const path of paths) {
          if (Object.hasOwn(origin.sha256, path)) continue;
          origin.sha256[path] = await repository.fetch(files.get(path)!, temporary);
        }
      };
      await fetchAll(smallFiles(files));
      await fetchAll(weights.filter(isIndex));
      await check?.(temporary);
      for (const path of weights) await fetchAll(isIndex(path) ? await shards(id, files, temporary, path) : [path]);
    });
  });
}

type Listing = ReadonlyMap<string, ListFileEntry>;

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/') + 1);
}

function isWeights(path: string): boolean {
  return path.endsWith('.safetensors') || path.endsWith('.bin');
}

function isIndex(path: string): boolean {
  return path.endsWith('.index.json');
}

/** All that the model is made of but its weights. */
function smallFiles(files: Listing): string[] {
  const wanted = [...files.keys()].filter((path) => isModelFile(path) && !isWeights(path) && !isIndex(path));
  // What no tokenizer.json says, a message about the tokenizer may.
  const others = SENTENCEPIECE_FILES.filter((name) => files.has(name) && !files.has('tokenizer.json'));
  return [...new Set([...wanted, ...others])];
}

/** Of each module its file of weights, or the index of several: safetensors where there are any, else pickles. */
function chosenWeights(id: string, files: Listing): string[] {
  // A module's folder is one whose other files are wanted.
  const folders = new Set([...files.keys()].map(folderOf).filter((folder) => isModelFile(`${folder}config.json`)));
  const chosen = [...folders].flatMap((folder) => {
    const found = WEIGHTS.map((name) => folder + name).find((path) => files.has(path));
    return found === undefined ? [] : [found];
  });
  if (chosen.length > 0) return chosen;
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    `The repository ${id} holds no model.safetensors and no pytorch_model.bin. Choose one that does.`,
  );
}

/** The files that an index names, whatever their names are. */
async function shards(id: string, files: Listing, folder: string, index: string): Promise<string[]> {
  const names = await shardsOf(join(folder, index));
  return names.map((name) => {
    const path = folderOf(index) + name;
    if (/^[\w.-]+$/.test(name) && files.has(path)) return path;
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${index} of ${id} names the file ${JSON.stringify(name)}, which the repository does not have. Choose another model.`,
    );
  });
}

/** Streams a file to disk, checks its length and, where the hub tells it, its SHA-256, and returns that. */
async function store(blob: Blob, entry: ListFileEntry, id: string, path: string, options: HubOptions): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  const total = entry.lfs?.size ?? entry.size;
  const hash = createHash('sha256');
  const file = await open(path, 'wx');
  const body = blob.stream() as unknown as AsyncIterable<Uint8Array>;
  let received = 0;
  try {
    for await (const chunk of unlessSilent(body, options.silenceMs)) {
      options.signal?.throwIfAborted();
      hash.update(chunk);
      await file.writeFile(chunk);
      received += chunk.byteLength;
      options.onProgress?.({
        type: 'model-download',
        id,
        source: 'hub',
        file: entry.path,
        receivedBytes: received,
        totalBytes: total,
      });
    }
  } finally {
    await file.close();
  }
  if (received !== total) {
    throw new DownloadError(
      'ERR_DOWNLOAD',
      `${entry.path} of ${id} came with ${received} bytes, expected ${total}: the ` +
        'connection broke off. Try again.',
    );
  }
  const sha256 = hash.digest('hex');
  if (entry.lfs !== undefined && entry.lfs.oid !== sha256) {
    throw new DownloadError(
      'ERR_CHECKSUM',
      `${entry.path} of ${id} has SHA-256 ${sha256}, expected ${entry.lfs.oid}. Try ` +
        'again; if it stays so, do not use this hub.',
    );
  }
  return sha256;
}

/** fetch hides the reason in `cause`; a stream of the hub's client breaks off with the message alone. */
function describe(error: unknown): string {
  if (typeof error === 'string') return error;
  const { message, cause } = error as { message?: unknown; cause?: { message?: unknown; code?: unknown } };
  const reason = cause?.message || cause?.code;
  const said = String(message).replace(/[.\s]*(?:Request ID: \S+\s*)?URL: .*$/s, ''); // the client's, with all its questions
  return reason ? `${said} (${String(reason)})` : said;
}
