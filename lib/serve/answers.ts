import { Readable } from 'node:stream';

/** Vectors that are written in one turn of the event loop. */
const AT_ONCE = 32;

/** How one vector is written. */
export function asList(vector: Float32Array): string {
  return `[${vector.join(',')}]`;
}

/** float32 of little-endian bytes, in base64, as OpenAI's clients ask for. */
export function asBase64(vector: Float32Array): string {
  return `"${Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')}"`;
}

/**
 * JSON around a list with an entry for each vector: a text where there are few, else a stream that goes at its reader's
 * pace and leaves the event loop to others in between.
 */
export function listOf(
  vectors: readonly Float32Array[],
  entry: (vector: Float32Array, i: number) => string,
  before: string,
  after: string,
): string | Readable {
  const part = (from: number) =>
    vectors
      .slice(from, from + AT_ONCE)
      .map((vector, i) => entry(vector, from + i))
      .join(',');
  if (vectors.length <= AT_ONCE) return `${before}${part(0)}${after}`;
  async function* parts(): AsyncGenerator<string> {
    yield before;
    for (let from = 0; from < vectors.length; from += AT_ONCE) {
      await new Promise(setImmediate);
      yield from === 0 ? part(0) : `,${part(from)}`;
    }
    yield after;
  }
  return Readable.from(parts(), { objectMode: false });
}
