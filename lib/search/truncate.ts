import type { Matrix } from '../embed/matrix';
import type { Vector } from '../embed/similarity';
import { flag, optional, resolveTable, signal, signalNames, type OptionsOf } from '../system/option-table';
import { checkInteger } from '../system/options';
import { floats, turn } from './matrix';

const truncateTable = {
  /** Whether what is left is brought to length 1. Default false, as in sentence-transformers. */
  normalize: optional(flag, false, { aliases: ['normalizeEmbeddings', 'normalise'] }),
  /** Stops between small pieces; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `truncate`. */
export interface TruncateOptions extends OptionsOf<typeof truncateTable> {}

/** Vectors that are cut out of one array before the event loop gets its turn. */
const AT_ONCE = 1 << 13;

/**
 * The first numbers of each vector, of a model that was trained for that (Matryoshka).
 *
 * @throws InvalidArgumentError: what is no vector; ERR_INVALID_OPTION: more dimensions than there are
 */
export async function truncate(
  vectors: readonly Vector[],
  dimensions: number,
  options?: TruncateOptions,
): Promise<Float32Array[]>;
export async function truncate(vectors: Matrix, dimensions: number, options?: TruncateOptions): Promise<Matrix>;
export async function truncate(
  vectors: readonly Vector[] | Matrix,
  dimensions: number,
  options?: TruncateOptions,
): Promise<Float32Array[] | Matrix> {
  const { normalize, signal } = resolveTable(truncateTable, options, { name: 'truncate', path: '' });
  const source = floats(vectors, 'The vectors');
  const { count, width } = source;
  checkInteger('dimensions', dimensions, 1, count === 0 ? Number.MAX_SAFE_INTEGER : width);
  const data = new Float32Array(count * dimensions);
  for await (const { first, numbers } of source.pieces(signal)) {
    for (let from = 0, to = first * dimensions; from < numbers.length; from += width, to += dimensions) {
      let squares = 0;
      if (normalize) for (let j = 0; j < dimensions; ++j) squares += numbers[from + j]! * numbers[from + j]!;
      const scale = squares > 0 ? Math.sqrt(squares) : 1;
      for (let j = 0; j < dimensions; ++j) data[to + j] = numbers[from + j]! / scale;
    }
  }
  if (!Array.isArray(vectors)) return { data, shape: [count, dimensions] };
  const list: Float32Array[] = [];
  for (let i = 0; i < count; ++i) {
    list.push(data.slice(i * dimensions, (i + 1) * dimensions));
    if (i % AT_ONCE === AT_ONCE - 1) await turn();
  }
  return list;
}
