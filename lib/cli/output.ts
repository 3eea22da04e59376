import { once } from 'node:events';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { FileError } from '../system/errors';

/** Where the vectors go: the standard output, or a file that appears when all of it is there. */
export abstract class Output {
  /** @throws FileError: the file cannot be written; nothing has been computed yet. */
  static open(file: string | undefined): Promise<Output> | Output {
    return file === undefined ? new StandardOutput() : FileOutput.create(file);
  }

  /** False where nobody reads any more. */
  abstract write(text: string): Promise<boolean>;
  /** All is written. */
  abstract finish(): Promise<void>;
  /** Whatever happened. */
  abstract release(): Promise<void>;
}

/** The standard output at its reader's pace: a slow one must not fill our memory, and one may leave (`… | head`). */
class StandardOutput extends Output {
  #error: NodeJS.ErrnoException | undefined;
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#error ??= error;
  };

  constructor() {
    super();
    process.stdout.on('error', this.#onError);
  }

  async write(text: string): Promise<boolean> {
    if (this.#error === undefined && !process.stdout.write(text)) {
      await once(process.stdout, 'drain').catch(this.#onError);
    }
    if (this.#error !== undefined && this.#error.code !== 'EPIPE') throw this.#error;
    return this.#error === undefined;
  }

  async finish(): Promise<void> {}

  async release(): Promise<void> {
    // The last write may still fail after this; then nobody is there to be told.
    if (this.#error === undefined) process.stdout.once('error', () => undefined);
    process.stdout.removeListener('error', this.#onError);
  }
}

/** Written beside its place, so that what is broken off is not taken for the whole. */
class FileOutput extends Output {
  readonly #file: string;
  readonly #beside: string;
  readonly #handle: FileHandle;
  #finished = false;

  private constructor(file: string, beside: string, handle: FileHandle) {
    super();
    this.#file = file;
    this.#beside = beside;
    this.#handle = handle;
  }

  static async create(file: string): Promise<FileOutput> {
    const beside = `${file}.${process.pid}.partial`;
    try {
      if ((await stat(file).catch(() => undefined))?.isDirectory()) throw new Error('it is a folder');
      return new FileOutput(file, beside, await open(beside, 'w'));
    } catch (cause) {
      throw failure(file, cause);
    }
  }

  async write(text: string): Promise<boolean> {
    await this.#handle.writeFile(text).catch((cause: unknown) => {
      throw failure(this.#file, cause);
    });
    return true;
  }

  async finish(): Promise<void> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#beside, this.#file);
      this.#finished = true;
    } catch (cause) {
      throw failure(this.#file, cause);
    }
  }

  async release(): Promise<void> {
    if (this.#finished) return;
    await this.#handle.close().catch(() => undefined);
    await rm(this.#beside, { force: true });
  }
}

function failure(file: string, cause: unknown): FileError {
  return new FileError('ERR_FILE', `${file} cannot be written: ${(cause as Error).message}.`, { file, cause });
}
