import { open, type FileHandle } from 'node:fs/promises';

/** Bytes that are gathered before they are written. */
const GATHERED = 1 << 20;

/** Writes a new file from its beginning to its end. */
export class FileWriter {
  readonly #file: FileHandle;
  readonly #written: (bytes: number) => void;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Bytes given so far. */
  position = 0;

  private constructor(file: FileHandle, written: (bytes: number) => void) {
    this.#file = file;
    this.#written = written;
  }

  /** @param written is told the bytes that are in the file; what it throws ends the writing */
  static async create(path: string, written: (bytes: number) => void = () => undefined): Promise<FileWriter> {
    return new FileWriter(await open(path, 'wx'), written);
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.position += bytes.length;
    if (this.#waitingBytes >= GATHERED) await this.#flush();
  }

  /** Zeros up to a multiple of `alignment`. */
  async align(alignment: number): Promise<void> {
    const over = this.position % alignment;
    if (over > 0) await this.write(new Uint8Array(alignment - over));
  }

  /** Whatever happened; what waits is written where `whole` says so. */
  async close(whole: boolean): Promise<void> {
    try {
      if (whole) await this.#flush();
    } finally {
      await this.#file.close();
    }
  }

  async #flush(): Promise<void> {
    for (const bytes of this.#waiting.splice(0)) await this.#file.writeFile(bytes);
    this.#waitingBytes = 0;
    this.#written(this.position);
  }
}

/** Does `work` with a new file, which is closed then. */
export async function writingFile(
  path: string,
  written: (bytes: number) => void,
  work: (file: FileWriter) => Promise<void>,
): Promise<void> {
  const file = await FileWriter.create(path, written);
  let whole = false;
  try {
    await work(file);
    whole = true;
  } finally {
    await file.close(whole);
  }
}
