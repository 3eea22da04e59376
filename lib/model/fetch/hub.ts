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
import { TOKENIZER_FILES } from '../../tokenisation/tokenizer-files';
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from '../folder/adapter';
import { addToCache, type CachedOrigin } from './cache';
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
/** What torch.save wrote, whole or in parts: wanted where a module has nothing else. */
const PICKLES = /^(?:pytorch_model(?:-\d+-of-\d+)?|adapter_model)\.bin$|^pytorch_model\.bin\.index\.json$/;

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
 * @throws what `withRepository` throws; DownloadError ERR_DISK_SPACE; FileError: the cache cannot be written; ModelError
 *   ERR_MODEL_FOLDER: the repository has no weights
 */
export async function fetchFromHub(id: string, folder: string, options: HubOptions): Promise<CachedOrigin> {
  return withRepository('model', id, options, async (repository) => {
    const origin: CachedOrigin = { id, source: 'hub', revision: repository.sha, sha256: {} };
    const wanted = chooseFiles(id, await repository.files());
    return addToCache(folder, origin, async (temporary) => {
      for (const entry of wanted) origin.sha256[entry.path] = await repository.fetch(entry, temporary);
    });
  });
}

function isWeights({ path }: ListFileEntry): boolean {
  return path.endsWith('.safetensors') || path.endsWith('.bin');
}

/** The model's files, small ones first; of each module's weights safetensors where there are any, else pickles. */
function chooseFiles(id: string, files: readonly ListFileEntry[]): ListFileEntry[] {
  const wanted = files.filter((entry) => isModelFile(entry.path));
  const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/') + 1);
  const safe = new Set(wanted.filter(isWeights).map(({ path }) => folderOf(path)));
  for (const entry of files) {
    const folder = folderOf(entry.path);
    const name = entry.path.slice(folder.length);
    // A module's folder is one whose other files are wanted.
    if (PICKLES.test(name) && !safe.has(folder) && isModelFile(`${folder}config.json`)) wanted.push(entry);
  }
  if (!wanted.some(isWeights)) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `The repository ${id} holds no model.safetensors and no pytorch_model.bin. Choose one that does.`,
    );
  }
  return wanted.sort((a, b) => Number(isWeights(a)) - Number(isWeights(b)));
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
