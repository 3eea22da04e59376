import { readFile } from 'node:fs/promises';
import type { CommitOperation, ListFileEntry } from '@huggingface/hub';
import { hubFetch, type HubAccess, type Upload } from '../model/fetch/hub-request';
import { isModelFile } from '../model/fetch/hub';
import { ownFields } from '../model/save/card';
import { AbortError, DownloadError, FileError, InvalidArgumentError, PushError, withoutRemedy } from '../system/errors';
import { isObject, parseJson, type JsonObject } from '../system/json';
import { resolveTable, type ResolvedOf } from '../system/option-table';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { Aside } from './aside';
import type { PushEvent } from './events';
import { FileBody } from './file-body';
import { contentId, filesToPush, isOfExport, isOfWeights, type PushedFile } from './folder';
import { withFields } from './front-matter';
import { addTable, cardTable, pushTable, type PushFolderOptions } from './options';
import { tokenToWrite } from './token';

/** What was pushed. */
export interface PushReport {
  /** The repository, as owner/name. */
  repo: string;
  /** Its page. */
  url: string;
  /** The commit that holds the model. */
  commit: string;
  /** What the repository holds of the folder, by paths. */
  files: {
    /** Below the folder, with `/`. */
    path: string;
    /** Its size. */
    bytes: number;
  }[];
  /** Paths of files of a model before it, which are gone from the new commit. */
  removed: string[];
}

const MAIN = 'main';

/** What a hub's owner/name is made of. */
const REPOSITORY = /^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/;

export function checkRepository(repo: unknown): string {
  if (typeof repo === 'string' && REPOSITORY.test(repo)) return repo;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `A repository is named owner/name, as acme/support-embeddings, but is ${show(repo)}.`,
  );
}

/**
 * Puts a folder that `save` or `export` has written into a repository of a hub, as one commit: others see all of it or
 * nothing. The repository is made where there is none, private unless `visibility` says otherwise. Large files that the hub
 * has already, as from a push that broke off, are not sent again; where the repository holds the same files already,
 * nothing is done.
 *
 * @param repo owner/name
 * @throws PushError ERR_PUSH_TARGET: the repository holds a model already and `force` is not given, or changed meanwhile;
 *   ERR_PUSH_FOLDER: the folder is no model's, or holds other files; ERR_HUB_ACCESS: the token, or its rights; ERR_HUB_BUSY;
 *   ERR_PUSH: the hub does not answer; InvalidArgumentError; FileError; AbortError
 */
export async function pushFolder(folder: string, repo: string, options?: PushFolderOptions): Promise<PushReport> {
  const given = resolveTable({ ...pushTable, ...addTable, ...cardTable }, options, { name: 'pushFolder', path: '' });
  const id = checkRepository(repo);
  if (typeof folder !== 'string' || folder === '') {
    throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `pushFolder needs a folder, but was given ${show(folder)}.`);
  }
  const accessToken = await tokenToWrite(given.accessToken, given.hubUrl !== undefined);
  const found = await filesToPush(folder);
  checkAdd(found, folder, given.add);
  const environment = process.env;
  const hub = await import('@huggingface/hub');
  const hubUrl = (given.hubUrl ?? environment['HF_ENDPOINT'] ?? hub.HUB_URL).replace(/\/+$/, '');
  const { signal } = given;
  const access: HubAccess = { hubUrl, id, hasToken: true, signal, environment, writes: true };
  const target = new Target(hub, access, accessToken, given.branch, given.onProgress);
  const aside = new Aside();
  try {
    return await target.push(await withCard(found, given, aside), given, aside);
  } catch (error) {
    throw explained(error, target.told, access, accessToken);
  } finally {
    await aside.remove();
  }
}

/** @throws InvalidArgumentError, PushError: what is to be added is no export */
function checkAdd(files: readonly PushedFile[], folder: string, add: boolean): void {
  if (!add || (files.some(({ path }) => isOfExport(path)) && !files.some(({ path }) => isOfWeights(path)))) return;
  throw new PushError(
    'ERR_PUSH_FOLDER',
    say`${option('add', true)} puts an export beside a model, but ${folder} is the folder of a model itself.`,
    { file: folder, remedy: say`Name the folder that export has written, or leave it out.` },
  );
}

/** The files, of which the card has the fields that were given. */
async function withCard(
  files: readonly PushedFile[],
  { license, languages, examples }: ResolvedOf<typeof cardTable>,
  aside: Aside,
): Promise<PushedFile[]> {
  const fields = ownFields({ license, languages, examples });
  if (fields.size === 0) return [...files];
  const card = files.find(({ path }) => path === 'README.md');
  const text = withFields(card === undefined ? '' : await readFile(card.file, 'utf8'), fields);
  return [...files.filter((one) => one !== card), await aside.write('README.md', text)];
}

/** A repository that is written to. */
class Target {
  readonly #hub: typeof import('@huggingface/hub');
  readonly #access: HubAccess;
  readonly #token: string;
  readonly #branch: string;
  readonly #onProgress: ((event: PushEvent) => void) | undefined;
  #paths: ReadonlyMap<string, PushedFile> = new Map();
  /** The client keeps of a failure its message only. */
  told: DownloadError | undefined;

  constructor(
    hub: typeof import('@huggingface/hub'),
    access: HubAccess,
    token: string,
    branch: string,
    onProgress: ((event: PushEvent) => void) | undefined,
  ) {
    this.#hub = hub;
    this.#access = access;
    this.#token = token;
    this.#branch = branch;
    this.#onProgress = onProgress;
  }

  async push(
    files: readonly PushedFile[],
    { force, add, visibility, message }: ResolvedOf<typeof pushTable> & ResolvedOf<typeof addTable>,
    aside: Aside,
  ): Promise<PushReport> {
    const { hubUrl, id, signal } = this.#access;
    const { head, isNew } = await this.#place(visibility);
    const there = await this.#list(head);
    const sent = add ? await this.#added(files, there, head, aside) : [...files];
    this.#paths = new Map(sent.map((file) => [file.file, file]));
    const report = { repo: id, url: `${hubUrl}/${id}`, files: sent.map(({ path, bytes }) => ({ path, bytes })) };
    const names = new Set(sent.map(({ path }) => path));
    const removed = add ? [] : there.map(({ path }) => path).filter((path) => !names.has(path) && isOfModel(path));
    const touched = there.filter(({ path }) => names.has(path) && path !== '.gitattributes');
    if (removed.length === 0 && touched.length > 0 && (await holdsAll(there, sent)))
      return { ...report, commit: head, removed: [] };
    const weights = removed.filter(isOfWeights);
    if (weights.length > 0 && !isNew && !sent.some(({ path }) => isOfWeights(path))) {
      throw new PushError(
        'ERR_PUSH_TARGET',
        `${id} holds the weights of a model (${weights[0]!}), and the folder is an export, which has none: they would be gone. Nothing was changed.`,
        { remedy: say`Put the export beside them with ${option('add', true)}, or choose another name.` },
      );
    }
    const held = add ? await differing(touched, sent) : [...touched.map(({ path }) => path), ...removed];
    if (!force && !isNew && held.length > 0) {
      throw new PushError(
        'ERR_PUSH_TARGET',
        `${id} holds ${held.slice(0, 3).join(', ')}${held.length > 3 ? ` and ${held.length - 3} more files` : ''} already. Nothing was changed.`,
        {
          remedy: say`Choose another name, or replace what is there with ${option('force', true)}; its history keeps it.`,
        },
      );
    }
    const operations: CommitOperation[] = removed.map((path) => ({ operation: 'delete', path }));
    for (const { path, file } of sent)
      operations.push({ operation: 'addOrUpdate', path, content: await FileBody.of(file) });
    const steps = this.#hub.commitIter({
      ...this.#common(),
      repo: { type: 'model', name: id },
      title: message,
      operations,
      branch: this.#branch,
      parentCommit: head,
      // Plain HTTP, as for what is fetched.
      useXet: false,
      ...(signal && { abortSignal: signal }),
    });
    for (;;) {
      const step = await steps.next();
      if (step.done) return { ...report, commit: step.value!.commit.oid, removed };
      this.#tell(step.value, sent);
    }
  }

  #tell(event: import('@huggingface/hub').CommitProgressEvent, files: readonly PushedFile[]): void {
    if (event.event === 'phase') {
      if (event.phase === 'committing') this.#say('committing', null, 0, 0);
      return;
    }
    const file = files.find(({ path }) => path === event.path);
    // What is sent is told as it is read.
    if (file === undefined || (event.state === 'uploading' && event.progress < 1)) return;
    this.#say(event.state === 'hashing' ? 'hashing' : 'uploading', file.path, event.progress * file.bytes, file.bytes);
  }

  #say(phase: PushEvent['phase'], file: string | null, sentBytes: number, totalBytes: number): void {
    this.#onProgress?.({ type: 'pushing', phase, file, sentBytes: Math.round(sentBytes), totalBytes });
  }

  /** The commit of the branch that is written to; the repository and the branch are made where there are none. */
  async #place(visibility: 'private' | 'public'): Promise<{ head: string; isNew: boolean }> {
    const branch = this.#branch;
    const head = await this.#head(branch);
    if (head !== undefined) return { head, isNew: false };
    const main = (branch === MAIN ? undefined : await this.#head(MAIN)) ?? (await this.#create(visibility));
    if (branch === MAIN) return { head: main, isNew: false };
    const repo = { type: 'model' as const, name: this.#access.id };
    await this.#hub.createBranch({ repo, branch, revision: main, ...this.#common() });
    return { head: main, isNew: true };
  }

  /** The commit of a branch; undefined where there is none, or no such repository. */
  async #head(branch: string): Promise<string | undefined> {
    const asked = { name: this.#access.id, revision: branch, additionalFields: ['sha' as const], ...this.#common() };
    return this.#hub.modelInfo(asked).then(
      ({ sha }) => sha,
      (error: unknown) => {
        if (statusOf(error) === 404) return undefined;
        throw error;
      },
    );
  }

  async #create(visibility: 'private' | 'public'): Promise<string> {
    const { id } = this.#access;
    const credentials = { accessToken: PLACEHOLDER };
    await this.#hub.createRepo({ repo: { type: 'model', name: id }, visibility, ...credentials, ...this.#common() });
    const head = await this.#head(MAIN);
    if (head !== undefined) return head;
    throw new PushError(
      'ERR_PUSH',
      `${this.#access.hubUrl} made ${id}, and then had no branch "${MAIN}" of it. Try again.`,
    );
  }

  /** Of an export what goes beside a model: its own files, those that are not there, and config.json of both. */
  async #added(
    files: readonly PushedFile[],
    there: readonly ListFileEntry[],
    head: string,
    aside: Aside,
  ): Promise<PushedFile[]> {
    const held = new Set(there.map(({ path }) => path));
    const added = files.filter(({ path }) => isOfExport(path) || !held.has(path));
    const config = files.find(({ path }) => path === 'config.json');
    if (config === undefined || !held.has('config.json')) return added;
    const repo = { type: 'model' as const, name: this.#access.id };
    const blob = await this.#hub.downloadFile({ repo, path: 'config.json', revision: head, ...this.#common() });
    const text = (await blob?.text()) ?? '{}';
    const paths = new Set([...held, ...files.map(({ path }) => path)]);
    const merged = withRuntimeOf(text, await readFile(config.file, 'utf8'), paths);
    return merged === text ? added : [...added, await aside.write('config.json', merged)];
  }

  async #list(revision: string): Promise<ListFileEntry[]> {
    const repo = { type: 'model' as const, name: this.#access.id };
    const files: ListFileEntry[] = [];
    for await (const entry of this.#hub.listFiles({ repo, recursive: true, revision, ...this.#common() })) {
      if (entry.type === 'file') files.push(entry);
    }
    return files;
  }

  #common() {
    return { hubUrl: this.#access.hubUrl, fetch: this.#fetch };
  }

  /** The token goes to the hub and to no other address: storage has addresses that are signed. */
  readonly #fetch: typeof fetch = async (input, init) => {
    const headers = new Headers(init?.headers);
    const { hubUrl } = this.#access;
    headers.delete('authorization');
    if (String(input).startsWith(`${hubUrl}/`)) headers.set('authorization', `Bearer ${this.#token}`);
    const upload: Upload = {};
    const body = init?.body;
    const request: RequestInit = { ...init, headers };
    if (body instanceof FileBody) {
      const file = this.#paths.get(body.path);
      request.body = body.telling((sent) => {
        upload.sent?.();
        if (file !== undefined) this.#say('uploading', file.path, Math.min(sent, file.bytes), file.bytes);
      });
    }
    return hubFetch(input, request, this.#access, upload).catch((error: unknown) => {
      if (error instanceof DownloadError) this.told = error;
      throw error;
    });
  };
}

/** The client checks tokens by their form; what is sent is put there by `#fetch`. */
const PLACEHOLDER = 'hf_';

/** Paths of those files that the repository holds with another content. */
async function differing(touched: readonly ListFileEntry[], files: readonly PushedFile[]): Promise<string[]> {
  const held: string[] = [];
  for (const entry of touched) {
    const file = files.find(({ path }) => path === entry.path)!;
    // It is made of both.
    if (entry.path !== 'config.json' && !(await holdsAll([entry], [file]))) held.push(entry.path);
  }
  return held;
}

const RUNTIME = 'transformers.js_config';

/** A repository's config.json with what transformers.js must know of the graphs, those that were there and those that come. */
function withRuntimeOf(text: string, ours: string, paths: ReadonlySet<string>): string {
  const [there, own] = [parseJson(text), parseJson(ours)];
  if (!isObject(there) || !isObject(own)) return text;
  const before = isObject(there[RUNTIME]) ? there[RUNTIME] : {};
  const come = isObject(own[RUNTIME]) ? own[RUNTIME] : {};
  const external = { ...objectOf(before['use_external_data_format']), ...objectOf(come['use_external_data_format']) };
  // Where there are both of those that it takes by itself nothing need be said.
  const both = paths.has('onnx/model.onnx') && paths.has('onnx/model_quantized.onnx');
  const { dtype: _, ...others } = { ...before, ...come };
  const dtype = paths.has('onnx/model.onnx') ? 'fp32' : (before['dtype'] ?? come['dtype']);
  const runtime: JsonObject = {
    ...others,
    ...(dtype === undefined || both ? {} : { dtype }),
    ...(Object.keys(external).length === 0 ? {} : { use_external_data_format: external }),
  };
  const { [RUNTIME]: __, ...rest } = there;
  const merged = Object.keys(runtime).length === 0 ? rest : { ...rest, [RUNTIME]: runtime };
  return JSON.stringify(merged) === JSON.stringify(there) ? text : `${JSON.stringify(merged, null, 2)}\n`;
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** What a repository has of a model, in whatever form. */
function isOfModel(path: string): boolean {
  return isModelFile(path) || /^(onnx|openvino)\/|\.(safetensors|bin|gguf|onnx|h5|msgpack|ot)$/.test(path);
}

/** Whether the repository holds every one of the files as it is. */
async function holdsAll(there: readonly ListFileEntry[], files: readonly PushedFile[]): Promise<boolean> {
  const byPath = new Map(there.map((entry) => [entry.path, entry]));
  for (const file of files) {
    const entry = byPath.get(file.path);
    if (entry === undefined || (entry.lfs?.size ?? entry.size) !== file.bytes) return false;
  }
  for (const file of files) {
    const { lfs, oid } = byPath.get(file.path)!;
    const [kind, expected] = lfs === undefined ? (['git', oid] as const) : (['lfs', lfs.oid] as const);
    if ((await contentId(file, kind)) !== expected) return false;
  }
  return true;
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

/** The errors behind an error, itself first. */
function chainOf(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let link = error; link instanceof Error && chain.length < 8; link = link.cause) chain.push(link);
  return chain;
}

function explained(
  error: unknown,
  told: DownloadError | undefined,
  { hubUrl, id, signal }: HubAccess,
  token: string,
): Error {
  if (signal?.aborted) {
    return new AbortError('ERR_ABORTED', `The push to ${id} was stopped; no commit was made.`, {
      cause: signal.reason,
    });
  }
  if (error instanceof PushError || error instanceof InvalidArgumentError || error instanceof FileError) return error;
  const status = statusOf(error);
  if (status === 409 || status === 412) {
    return new PushError('ERR_PUSH_TARGET', `${id} was changed by someone else meanwhile. Nothing was changed.`, {
      cause: error,
      remedy: say`Look at what is there now, and push again.`,
    });
  }
  const failure = told ?? (error as Error);
  // What a hub answers may repeat what it was sent.
  const repeats = chainOf(failure).some(({ message, stack }) => `${message} ${stack}`.includes(token));
  const { cause } = failure as { cause?: { message?: unknown; code?: unknown } };
  const reason = cause?.message || cause?.code;
  const said = (failure instanceof DownloadError ? withoutRemedy(failure) : String(failure.message))
    .replace(/[.\s]*(?:Request ID: \S+\s*)?URL: .*$/s, '')
    .replace(/\.$/, '')
    .replaceAll(token, '…');
  const code = told?.code === 'ERR_HUB_ACCESS' || told?.code === 'ERR_HUB_BUSY' ? told.code : 'ERR_PUSH';
  const why = failure instanceof DownloadError || !reason ? said : `${said} (${String(reason)})`;
  return new PushError(code, `${hubUrl} did not take ${id}: ${why}. No commit was made.`, {
    ...(!repeats && { cause: failure }),
    remedy: told?.remedy ?? say`Push again: what has been sent is not sent twice.`,
  });
}
