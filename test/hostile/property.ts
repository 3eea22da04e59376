import fc from 'fast-check';

/**
 * How much the property tests of this folder try. In `npm test` the inputs are the same each time; `npm run fuzz` sets
 * VECTUNE_FUZZ to how many times as many it wants, and they are drawn anew. A failure prints the seed and the smallest
 * input that fails.
 */
const more = Number(process.env['VECTUNE_FUZZ'] ?? 0);

export function tries(count: number): fc.Parameters<unknown> {
  return more > 0 ? { numRuns: Math.ceil(count * more) } : { numRuns: count, seed: 20240229 };
}

/** Time for a property in jest, which the longer runs need. */
export const PATIENCE_MS = 60_000 * Math.max(1, more);

/** Bytes of `whole` with a few of them changed, left out, doubled or put in. */
export function damaged(whole: Buffer): fc.Arbitrary<Buffer> {
  const place = fc.nat(Math.max(0, whole.length - 1));
  const change = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at: place, value: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.integer({ min: 1, max: 64 }) }),
    fc.record({ kind: fc.constant('end' as const), at: place }),
    fc.record({ kind: fc.constant('put' as const), at: place, bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }) }),
    fc.record({ kind: fc.constant('copy' as const), at: place, from: place, length: fc.integer({ min: 1, max: 64 }) }),
  );
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) =>
    changes.reduce((bytes, one) => {
      const at = Math.min(one.at, bytes.length);
      switch (one.kind) {
        case 'set': {
          const copy = Buffer.from(bytes);
          if (at < copy.length) copy[at] = one.value;
          return copy;
        }
        case 'cut':
          return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + one.length)]);
        case 'end':
          return bytes.subarray(0, at);
        case 'put':
          return Buffer.concat([bytes.subarray(0, at), one.bytes, bytes.subarray(at)]);
        case 'copy':
          return Buffer.concat([
            bytes.subarray(0, at),
            bytes.subarray(one.from, one.from + one.length),
            bytes.subarray(at),
          ]);
      }
    }, whole),
  );
}

/** A JSON value with one place in it, however deep, replaced by any other value, or left out. */
export function changedJson(value: unknown): fc.Arbitrary<unknown> {
  const places: (string | number)[][] = [];
  const collect = (inner: unknown, path: (string | number)[]): void => {
    places.push(path);
    if (typeof inner !== 'object' || inner === null) return;
    for (const [key, next] of Object.entries(inner)) collect(next, [...path, Array.isArray(inner) ? Number(key) : key]);
  };
  collect(value, []);
  const odd = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.constantFrom<unknown>(null, true, '', '..', '/', -1, 0, 1, 0.5, 1e9, 2 ** 53, 1e308, [], {}, [
        null,
      ]),
    },
    { weight: 2, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
    { weight: 1, arbitrary: fc.constant(LEFT_OUT) },
  );
  return fc
    .array(fc.tuple(fc.constantFrom(...places), odd), { minLength: 1, maxLength: 3 })
    .map((changes) => changes.reduce((whole, [path, other]) => put(whole, path, other), value));
}

const LEFT_OUT = Symbol('left out');

function put(whole: unknown, path: readonly (string | number)[], other: unknown): unknown {
  if (path.length === 0) return other === LEFT_OUT ? null : other;
  if (typeof whole !== 'object' || whole === null) return whole; // what was there is replaced already
  const [key, ...rest] = path;
  if (Array.isArray(whole)) {
    const copy = [...(whole as unknown[])];
    if (rest.length === 0 && other === LEFT_OUT) copy.splice(Number(key), 1);
    else copy[Number(key)] = put(copy[Number(key)], rest, other);
    return copy;
  }
  const { [key!]: inner, ...others } = whole as Record<string, unknown>;
  return rest.length === 0 && other === LEFT_OUT ? others : { ...others, [key!]: put(inner, rest, other) };
}
