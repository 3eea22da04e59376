import { open } from 'node:fs/promises';
import { tableError } from './table';

/** By hand: the packages for it decode whole files in memory with no bounds, and the format is a header and numbers. */

/** Numbers that are read before the event loop gets its turn. */
const NUMBERS_AT_ONCE = 1 << 20;
const LONGEST_HEADER = 1 << 16;

/**
 * A table of numbers as NumPy's `save` writes it (format 1 to 3): float32 or float64, two dimensions, row after row.
 *
 * @throws InvalidArgumentError ERR_DATA_FILE: it is none, or of another kind; FileError: it cannot be read
 */
export async function readNpy(
  file: string,
  signal?: AbortSignal,
): Promise<{ data: Float32Array; shape: [number, number] }> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw tableError({ file }, `it cannot be read: ${(cause as Error).message}.`, undefined, cause);
  });
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(12);
    const { bytesRead } = await handle.read(head, 0, 12, 0);
    if (bytesRead < 12 || head.toString('latin1', 0, 6) !== '\x93NUMPY') {
      throw tableError({ file }, "it does not begin as NumPy's files do.");
    }
    const start = head[6] === 1 ? 10 : 12;
    const length = head[6] === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
    if (length > LONGEST_HEADER || start + length > size) throw tableError({ file }, 'it ends within its header.');
    const header = Buffer.alloc(length);
    await handle.read(header, 0, length, start);
    const text = header.toString('latin1');
    const type = /'descr':\s*'([^']*)'/.exec(text)?.[1];
    const shape = /'shape':\s*\((\d+),\s*(\d+),?\s*\)/.exec(text);
    if ((type !== '<f4' && type !== '<f8') || shape === null || !/'fortran_order':\s*False/.test(text)) {
      throw tableError({ file }, `it must be a table of float32 or float64, row after row, but is ${text.trim()}.`);
    }
    const [rows, width] = [Number(shape[1]), Number(shape[2])];
    const bytes = type === '<f4' ? 4 : 8;
    if (start + length + rows * width * bytes !== size) {
      throw tableError(
        { file },
        `${rows} × ${width} numbers of ${bytes} bytes do not fill it: it is cut off, or not what it says.`,
      );
    }
    const data = new Float32Array(rows * width);
    const piece = Buffer.alloc(Math.min(rows * width, NUMBERS_AT_ONCE) * bytes);
    for (let done = 0; done < data.length; ) {
      signal?.throwIfAborted();
      const some = Math.min(NUMBERS_AT_ONCE, data.length - done);
      const read = await handle.read(piece, 0, some * bytes, start + length + done * bytes);
      if (read.bytesRead !== some * bytes) throw tableError({ file }, 'it became shorter while it was read.');
      for (let i = 0; i < some; ++i)
        data[done + i] = bytes === 4 ? piece.readFloatLE(4 * i) : piece.readDoubleLE(8 * i);
      done += some;
    }
    return { data, shape: [rows, width] };
  } finally {
    await handle.close();
  }
}
