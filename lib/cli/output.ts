import { once } from 'node:events';
import { AtomicFile } from '../system/atomic-file';

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

/** A file that appears when all of it is there. */
class FileOutput extends Output {
  readonly #file: AtomicFile;

  private constructor(file: AtomicFile) {
    super();
    this.#file = file;
  }

  static async create(file: string): Promise<FileOutput> {
    return new FileOutput(await AtomicFile.create(file));
  }

  async write(text: string): Promise<boolean> {
    await this.#file.write(text);
    return true;
  }

  finish(): Promise<void> {
    return this.#file.finish();
  }

  release(): Promise<void> {
    return this.#file.release();
  }
}
