import { open } from 'node:fs/promises';
import { ModelError } from '../../system/errors';
import { isObject, parseJson } from '../../system/json';
import type { WeightSource } from './weights';

/** Headers of tables and adapters are some hundred kilobytes at most; the engine checks files of weights whole. */
const MOST_HEADER = 2 ** 22;

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Names and shapes of the tensors of a file, of which the header alone is read. @throws ModelError ERR_SAFETENSORS */
export async function tensorShapes({ path, tensors }: WeightSource): Promise<Shapes> {
  if (tensors !== undefined) return new Map(tensors.map(({ name, shape }) => [name, shape]));
  const file = await open(path, 'r');
  try {
    const length = Buffer.alloc(8);
    const { bytesRead } = await file.read(length, 0, 8, 0);
    const bytes = bytesRead < 8 ? 0n : length.readBigUInt64LE(0);
    if (bytes === 0n || bytes > BigInt(MOST_HEADER)) throw new Error('it does not begin as a safetensors file does');
    const header = Buffer.alloc(Number(bytes));
    const { bytesRead: read } = await file.read(header, 0, header.length, 8);
    const value = parseJson(header.subarray(0, read).toString('utf8'));
    if (!isObject(value)) throw new Error('its header is no object');
    return new Map(
      Object.entries(value).flatMap(([name, entry]) => {
        const shape = isObject(entry) ? entry['shape'] : undefined;
        const sizes =
          Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
        return sizes ? [[name, shape as number[]] as const] : [];
      }),
    );
  } catch (error) {
    throw new ModelError(
      'ERR_SAFETENSORS',
      `${path} is not a safetensors file that can be read: ${(error as Error).message}. Fetch the model folder again.`,
      { file: path, cause: error },
    );
  } finally {
    await file.close();
  }
}
