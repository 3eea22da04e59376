import { runProgram } from './run-program';

/**
 * What keeps the event loop from standing still: it is given bounded pieces of work, turns between them, and waits for
 * nothing native. How long its longest turn is, `npm run bench -- --only blocks` measures.
 */

interface Seen {
  tokenised: number[];
  units: number[];
  embedded: number[];
  stepped: number[];
  evaluated: number[];
  sameTurn: number;
  waited: string[];
  first: string[];
}

let seen: Seen;
beforeAll(async () => {
  const { stdout, ...ended } = await runProgram('loop.cjs');
  expect(ended).toEqual({ code: 0, signal: null, stderr: '' });
  seen = JSON.parse(stdout) as Seen;
});

const sum = (numbers: readonly number[]) => numbers.reduce((all, n) => all + n, 0);

test('texts are tokenised 256 at a time and fewer where they are long, in embed and in finetune', () => {
  expect(sum(seen.tokenised)).toBe(3040 + 8000);
  expect(Math.max(...seen.tokenised)).toBeLessThanOrEqual(256);
  expect(Math.max(...seen.units)).toBeLessThanOrEqual(1 << 18);
  expect(Math.max(...seen.units)).toBeGreaterThan(1 << 17); // the long ones were among them
});

test('the engine gives back the vectors of 256 texts, the similarities of 512 pairs and the loss of one step at a time', () => {
  expect(sum(seen.embedded)).toBe(3040);
  expect(Math.max(...seen.embedded)).toBeLessThanOrEqual(256);
  expect(sum(seen.evaluated)).toBe(2 * 600); // rows to validate with, before and after
  expect(Math.max(...seen.evaluated)).toBeLessThanOrEqual(512);
  expect(sum(seen.stepped)).toBe(3400);
  expect(Math.max(...seen.stepped)).toBeLessThanOrEqual(64);
});

test('the loop turns between two pieces', () => {
  expect(seen.sameTurn).toBe(0);
});

test('no call waits for the engine while it is in a step', () => {
  expect(seen.waited).toEqual([]);
});

test('the tokenizers library is used before LibTorch is opened: its first use waits for the linker', () => {
  expect(seen.first[0]).toBe('tokenizers');
  expect(seen.first.filter((what) => what === 'LibTorch')).toHaveLength(1);
});
