import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AbortError, DownloadError } from '../system/errors';
import { type ChildError, runChild } from '../system/child';
import { bytesBelow } from '../system/disk';
import { findPip } from '../system/pip';
import { addressInLog } from './pip-log';
import { platformTags } from './table';
import type { LibTorchRelease, PinnedWheel } from './release';

/**
 * The machine's own pip, as its user configured it (index, proxy, certificates, passwords): it knows where wheels
 * are, and vectune knows no address of any index.
 */

export interface PipOptions {
  /** How to call pip; default: whichever of `python3 -m pip`, `python -m pip`, `pip3` and `pip` is there. */
  pip?: readonly string[] | undefined;
  environment?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
}

export interface WheelAddress {
  wheel: PinnedWheel;
  address: string;
}

/** More than any answer of an index. A pip that fetches this much while it is asked for an address downloads. */
const RESOLVE_MAX_BYTES = 24_000_000;
const WATCH_MS = 250;

/** @throws ToolError ERR_TOOL_MISSING */
export async function pipOf(options: PipOptions): Promise<readonly string[]> {
  const otherwise = ', or name a LibTorch: npx vectune libtorch install --from <folder, archive or URL>';
  return options.pip ?? findPip(options, 'LibTorch', otherwise);
}

/** What pip needs to be told to choose a release's wheels whatever Python it runs on. */
function choice(release: LibTorchRelease, wheels: readonly PinnedWheel[]): string[] {
  const tags = new Set(wheels.flatMap((wheel) => platformTags(wheel.file)));
  return [
    ...['--no-deps', '--only-binary=:all:', '--no-input', '--quiet', '--disable-pip-version-check'],
    ...['--python-version', release.python, '--implementation', 'cp'],
    ...[...tags].flatMap((tag) => ['--platform', tag]),
  ];
}

function requirements(wheels: readonly PinnedWheel[]): string[] {
  return wheels.map((wheel) => `${wheel.name}==${wheel.version}`);
}

/**
 * Asks pip where the wheels are, without fetching them: for a report, or where it is too old for one or would fetch
 * the wheels to look inside, for its log. Undefined where neither tells it.
 *
 * @throws DownloadError ERR_CHECKSUM: the index has a file of that name with another hash.
 */
export async function resolveWheels(
  release: LibTorchRelease,
  wheels: readonly PinnedWheel[],
  temporary: string,
  options: PipOptions,
): Promise<WheelAddress[] | undefined> {
  return (
    (await reportedAddresses(release, wheels, temporary, options)) ??
    (await loggedAddresses(release, wheels, temporary, options))
  );
}

/** A pip for each wheel: it would fetch one before it looks for the next. */
async function loggedAddresses(
  release: LibTorchRelease,
  wheels: readonly PinnedWheel[],
  temporary: string,
  options: PipOptions,
): Promise<WheelAddress[] | undefined> {
  const [program, ...prefix] = await pipOf(options);
  const { signal } = options;
  const environment = { ...(options.environment ?? process.env), TMPDIR: temporary };
  const found: WheelAddress[] = [];
  for (const wheel of wheels) {
    const ask = [...choice(release, [wheel]), '-vvv', '--dest', join(temporary, 'none'), ...requirements([wheel])];
    const address = await addressInLog(program!, [...prefix, 'download', ...ask], wheel.file, { environment, signal });
    if (signal?.aborted) throw stopped(signal);
    if (address === undefined) return undefined; // `pip download` then says what is wrong, if anything is
    found.push({ wheel, address });
  }
  return found;
}

async function reportedAddresses(
  release: LibTorchRelease,
  wheels: readonly PinnedWheel[],
  temporary: string,
  options: PipOptions,
): Promise<WheelAddress[] | undefined> {
  const pip = await pipOf(options);
  const [program, ...prefix] = pip;
  const tooMuch = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, tooMuch.signal]) : tooMuch.signal;
  const stopWatching = watchFolder(temporary, (bytes) => {
    if (bytes > RESOLVE_MAX_BYTES) tooMuch.abort();
  });
  try {
    const args = ['install', '--dry-run', '--ignore-installed', '--report', '-', '--target', join(temporary, 'none')];
    const { stdout } = await runChild(
      program!,
      [...prefix, ...args, ...choice(release, wheels), ...requirements(wheels)],
      {
        signal,
        environment: { ...(options.environment ?? process.env), TMPDIR: temporary },
      },
    );
    return readReport(stdout, wheels);
  } catch (error) {
    if (options.signal?.aborted) throw stopped(options.signal);
    if (error instanceof DownloadError) throw error;
    return undefined;
  } finally {
    stopWatching();
  }
}

interface Report {
  install?: { metadata?: { name?: string }; download_info?: { url?: string; archive_info?: ArchiveInfo } }[];
}
interface ArchiveInfo {
  hash?: string;
  hashes?: Record<string, string>;
}

/** pip's installation report, version 1. */
function readReport(text: string, wheels: readonly PinnedWheel[]): WheelAddress[] | undefined {
  const report = JSON.parse(text.slice(text.indexOf('{'))) as Report;
  const plain = (name: string | undefined) => (name ?? '').toLowerCase().replaceAll(/[-_.]+/g, '-');
  const found: WheelAddress[] = [];
  for (const wheel of wheels) {
    const info = report.install?.find((item) => plain(item.metadata?.name) === wheel.name)?.download_info;
    if (info?.url === undefined) return undefined;
    const sha256 = info.archive_info?.hashes?.['sha256'] ?? info.archive_info?.hash?.replace(/^sha256=/, '');
    if (sha256 !== undefined && sha256 !== wheel.sha256) {
      throw new DownloadError(
        'ERR_CHECKSUM',
        `The index that pip uses has ${wheel.name} ${wheel.version} with SHA-256 ${sha256}, expected ${wheel.sha256} ` +
          `(${wheel.file}). It is another build and is not used.`,
      );
    }
    found.push({ wheel, address: info.url });
  }
  return found;
}

/**
 * Lets pip fetch the wheels into `folder`; gives each one's path, in order.
 *
 * @throws DownloadError ERR_DOWNLOAD: pip failed; AbortError.
 */
export async function downloadByPip(
  release: LibTorchRelease,
  wheels: readonly PinnedWheel[],
  folder: string,
  options: PipOptions & { onBytes?: (bytes: number) => void },
): Promise<string[]> {
  const pip = await pipOf(options);
  const [program, ...prefix] = pip;
  const stopWatching = watchFolder(folder, (bytes) => options.onBytes?.(bytes));
  try {
    const args = [...prefix, 'download', '--dest', folder, ...choice(release, wheels), ...requirements(wheels)];
    await runChild(program!, args, {
      signal: options.signal,
      environment: { ...(options.environment ?? process.env), TMPDIR: folder },
    });
  } catch (error) {
    if (options.signal?.aborted) throw stopped(options.signal);
    throw new DownloadError(
      'ERR_DOWNLOAD',
      `\`${pip.join(' ')} download ${requirements(wheels).join(' ')}\` failed: ${whatPipSays(error)} Check the ` +
        'network and the index that pip is configured for, or name a LibTorch: ' +
        'npx vectune libtorch install --from <folder, archive or URL>.',
      { cause: error },
    );
  } finally {
    stopWatching();
  }
  const files = await readdir(folder);
  return wheels.map((wheel) => {
    if (files.includes(wheel.file)) return join(folder, wheel.file);
    throw new DownloadError('ERR_DOWNLOAD', `pip did not choose ${wheel.file}; it fetched ${files.join(', ')}.`);
  });
}

/** pip's last complaint, with the sentence's end. */
function whatPipSays(error: unknown): string {
  const { message, stderr } = error as ChildError;
  const complaints = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('ERROR:'));
  return `${(complaints.at(-1) ?? message).replace(/^ERROR:\s*/, '').replace(/[.\s]*$/, '')}.`;
}

function stopped(signal: AbortSignal): AbortError {
  return new AbortError('ERR_ABORTED', 'The installation of LibTorch was stopped.', { cause: signal.reason });
}

/** Tells now and then how many bytes of files lie below `folder`. Returns what ends that. */
function watchFolder(folder: string, tell: (bytes: number) => void): () => void {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void bytesBelow(folder)
      .then(tell)
      .finally(() => {
        busy = false;
      });
  }, WATCH_MS);
  timer.unref();
  return () => clearInterval(timer);
}
