// By hand: fetch neither goes on where a transfer broke off nor notices a server that fell silent, and packages that do
// come with an HTTP client of their own, to which the proxy of proxy.ts would not apply.
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AbortError, DownloadError } from './errors';
import { noRoom } from './disk';
import { fetchUnlessSilent, unlessSilent } from './silence';

export interface DownloadOptions {
  /** In hexadecimal; what comes is refused unless it has it. */
  sha256?: string | undefined;
  /** Expected length; default: what the server says. */
  bytes?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Told, before anything more is received, how many bytes are still to come; what it throws ends the transfer. */
  onLength?: ((bytes: number) => Promise<void>) | undefined;
  onProgress?: ((receivedBytes: number, totalBytes: number | undefined) => void) | undefined;
  /** How often a transfer that breaks off and gets no further is taken up again, after longer and longer; default 3. */
  retries?: number;
  /** How long the server may be silent before that counts as a break; default MAX_SILENCE_MS. */
  silenceMs?: number | undefined;
  /** `target` holds what came of the file before, and the rest is asked for; needs `sha256`. */
  resume?: boolean | undefined;
  /** Where the proxy's address is told (HTTPS_PROXY, HTTP_PROXY, NO_PROXY); default: the process's. */
  environment?: NodeJS.ProcessEnv | undefined;
}

/** A transfer that brought so much got further. */
const PROGRESS_BYTES = 1_000_000;
/** A network that is gone for a moment is not asked again at once. */
const FIRST_PAUSE_MS = 250;

/**
 * Fetches `address` into the new file `target` and checks length and SHA-256. A transfer that breaks off goes on
 * where it ended if the server can do that (Range), and begins anew if not.
 *
 * @throws DownloadError ERR_DOWNLOAD, ERR_CHECKSUM; AbortError. `target` may then hold a part of the file.
 */
export async function download(address: string, target: string, options: DownloadOptions = {}): Promise<void> {
  const resume = options.resume === true && options.sha256 !== undefined;
  const file = await open(target, resume ? 'r+' : 'wx');
  try {
    const transfer = new Transfer(address, target, file, options);
    if (resume) await transfer.takeUp();
    for (let attempt = 0; ; ++attempt) {
      const before = transfer.received;
      try {
        await transfer.run();
        return;
      } catch (error) {
        if (options.signal?.aborted) throw stopped(address, options.signal);
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
          throw noRoom(target, `The download of ${shown(address)}`, error);
        if (transfer.received - before >= PROGRESS_BYTES) attempt = 0;
        if (error instanceof DownloadError || attempt >= (options.retries ?? 3)) throw asDownloadError(address, error);
        await sleep(FIRST_PAUSE_MS * 4 ** attempt, undefined, { signal: options.signal }).catch(() => {
          throw stopped(address, options.signal!);
        });
      }
    }
  } finally {
    await file.close();
  }
}

/** One file on its way: keeps what came before a break, and its hash. */
class Transfer {
  #hash: Hash = createHash('sha256');
  received = 0;
  #total: number | undefined;
  /** Whether a part of it comes from another answer than the last. */
  #joined = false;
  /** Identifies the content, so that a continuation is of the same. */
  #etag: string | null = null;

  readonly #address: string;
  readonly #target: string;
  readonly #file: FileHandle;
  readonly #options: DownloadOptions;

  constructor(address: string, target: string, file: FileHandle, options: DownloadOptions) {
    this.#address = address;
    this.#target = target;
    this.#file = file;
    this.#options = options;
    this.#total = options.bytes;
  }

  /** Reads what an earlier process received. */
  async takeUp(): Promise<void> {
    const { signal } = this.#options;
    const source = createReadStream(this.#target, { highWaterMark: 1 << 20, ...(signal && { signal }) });
    try {
      for await (const chunk of source) {
        this.#hash.update(chunk as Buffer);
        this.received += (chunk as Buffer).byteLength;
      }
    } catch (error) {
      if (signal?.aborted) throw stopped(this.#address, signal);
      throw error;
    }
    this.#joined = this.received > 0;
    if (this.#total !== undefined && this.received > this.#total) await this.#restart();
  }

  async run(): Promise<void> {
    if (this.received > 0 && this.received === this.#total) return this.#check();
    const headers: Record<string, string> = { 'accept-encoding': 'identity' };
    // Without an etag only the hash tells whether the rest belongs to what is there.
    if (this.received > 0 && (this.#etag !== null || this.#options.sha256 !== undefined)) {
      headers['range'] = `bytes=${this.received}-`;
      if (this.#etag !== null) headers['if-range'] = this.#etag;
    }
    const { signal, silenceMs, environment } = this.#options;
    const request: RequestInit = { headers, redirect: 'follow', ...(signal && { signal }) };
    const response = await fetchUnlessSilent(this.#address, request, silenceMs, environment);
    if (response.status === 416 && this.received > 0) {
      await response.body?.cancel();
      await this.#restart();
      return this.run();
    }
    if (!response.ok) {
      await response.body?.cancel();
      const message = `${shown(this.#address)} answered ${response.status} ${response.statusText}.`;
      // What the server may mend by itself is tried again; a plain Error says so.
      throw response.status >= 500 ? new Error(message) : new DownloadError('ERR_DOWNLOAD', message);
    }
    if (this.#continues(response)) this.#joined = true;
    else await this.#restart();
    try {
      await this.#expectLength(response);
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    const etag = response.headers.get('etag');
    this.#etag = etag?.startsWith('W/') ? null : etag; // a weak one does not say that the bytes are the same
    await this.#receive(response);
    return this.#check();
  }

  #continues(response: Response): boolean {
    return (
      response.status === 206 &&
      this.received > 0 &&
      (response.headers.get('content-range') ?? '').startsWith(`bytes ${this.received}-`)
    );
  }

  async #restart(): Promise<void> {
    this.#hash = createHash('sha256');
    this.received = 0;
    this.#etag = null;
    this.#joined = false;
    await this.#file.truncate(0);
  }

  async #expectLength(response: Response): Promise<void> {
    const length = response.headers.get('content-length');
    if (length === null) return;
    const total = this.received + Number(length);
    if (this.#options.bytes !== undefined && total !== this.#options.bytes) {
      throw new DownloadError(
        'ERR_DOWNLOAD',
        `${shown(this.#address)} has ${total} bytes, expected ${this.#options.bytes}: it is another file.`,
      );
    }
    this.#total = total;
    await this.#options.onLength?.(Number(length));
  }

  async #receive(response: Response): Promise<void> {
    if (response.body === null) return;
    const body = response.body as unknown as AsyncIterable<Uint8Array>;
    for await (const chunk of unlessSilent(body, this.#options.silenceMs)) {
      this.#options.signal?.throwIfAborted();
      this.#hash.update(chunk);
      await writeAll(this.#file, chunk, this.received);
      this.received += chunk.byteLength;
      this.#options.onProgress?.(this.received, this.#total);
    }
  }

  async #check(): Promise<void> {
    if (this.#total !== undefined && this.received < this.#total) {
      throw new Error(`it broke off after ${this.received} of ${this.#total} bytes`);
    }
    const found = this.#hash.digest('hex');
    if (this.#joined && this.#options.sha256 !== undefined && found !== this.#options.sha256) {
      // The pieces were of different files; one answer alone is of one.
      await this.#restart();
      return this.run();
    }
    compareHash(this.#target, shown(this.#address), found, this.#options.sha256);
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, done, chunk.byteLength - done, position + done);
    done += bytesWritten;
  }
}

/** Checks a file's length and SHA-256. @throws DownloadError ERR_DOWNLOAD, ERR_CHECKSUM; AbortError. */
export async function verifyFile(path: string, options: DownloadOptions): Promise<void> {
  const { size } = await stat(path);
  if (options.bytes !== undefined && size !== options.bytes) {
    throw new DownloadError('ERR_DOWNLOAD', `${path} has ${size} bytes, expected ${options.bytes}.`, { file: path });
  }
  const hash = createHash('sha256');
  const { signal } = options;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
      hash.update(chunk as Buffer);
    }
  } catch (error) {
    if (signal?.aborted) throw stopped(path, signal);
    throw error;
  }
  compareHash(path, path, hash.digest('hex'), options.sha256);
}

function compareHash(file: string, name: string, found: string, expected: string | undefined): void {
  if (expected === undefined || found === expected) return;
  throw new DownloadError(
    'ERR_CHECKSUM',
    `${name} has SHA-256 ${found}, expected ${expected}: it is not the file that vectune knows and is not used.`,
    { file },
  );
}

/** An address as it may be shown: name and password left out. */
export function shown(address: string): string {
  try {
    const url = new URL(address);
    url.username = '';
    url.password = '';
    url.search = '';
    return url.href;
  } catch {
    return address;
  }
}

function stopped(what: string, signal: AbortSignal): AbortError {
  return new AbortError('ERR_ABORTED', `The download of ${shown(what)} was stopped.`, { cause: signal.reason });
}

/** fetch hides the reason in `cause`. */
function asDownloadError(address: string, error: unknown): DownloadError {
  if (error instanceof DownloadError) return error;
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  const reason = cause?.message || cause?.code || message;
  return new DownloadError(
    'ERR_DOWNLOAD',
    `${shown(address)} could not be fetched: ${String(reason)}. Check the network (and the proxy, if there is one).`,
    { cause: error },
  );
}
