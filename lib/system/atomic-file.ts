import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { FileError } from './errors';
import { systemReason } from './system-error';

/**
 * A file that is there whole or not at all: it is written beside its place, flushed to disk and renamed, so that what is
 * broken off is not taken for the whole.
 */
export class AtomicFile {
  readonly #file: string;
  readonly #beside: string;
  readonly #handle: FileHandle;
  #finished = false;

  private constructor(file: string, beside: string, handle: FileHandle) {
    this.#file = file;
    this.#beside = beside;
    this.#handle = handle;
  }

  /** @throws FileError: it cannot be written there */
  static async create(file: string): Promise<AtomicFile> {
    const beside = `${file}.${process.pid}.partial`;
    try {
      if ((await stat(file).catch(() => undefined))?.isDirectory()) throw new Error('it is a folder');
      return new AtomicFile(file, beside, await open(beside, 'w'));
    } catch (cause) {
      throw failure(file, cause);
    }
  }

  /** Proves, before long work, that the file can be written. @throws FileError */
  static async prove(file: string): Promise<void> {
    const proof = await AtomicFile.create(file);
    await proof.release();
  }

  /** Behind what is written already. @throws FileError */
  async write(content: string | Uint8Array): Promise<void> {
    await this.#handle.writeFile(content).catch((cause: unknown) => {
      throw failure(this.#file, cause);
    });
  }

  /** Over what stands at `place`; what is written next goes to the end all the same. @throws FileError */
  async rewrite(content: Uint8Array, place: number): Promise<void> {
    await this.#handle.write(content, 0, content.length, place).catch((cause: unknown) => {
      throw failure(this.#file, cause);
    });
  }

  /** All is written: the file takes its place. @throws FileError */
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

  /** Whatever happened; nothing is left of a file that was not finished. */
  async release(): Promise<void> {
    if (this.#finished) return;
    await this.#handle.close().catch(() => undefined);
    await rm(this.#beside, { force: true });
  }
}

function failure(file: string, cause: unknown): FileError {
  return new FileError('ERR_FILE', `${file} cannot be written: ${systemReason(cause)}.`, { file, cause });
}
