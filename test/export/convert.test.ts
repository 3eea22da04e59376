import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  COLUMN_ZERO,
  inBlocks,
  quantisedColumns,
  quantisedRows,
  rowScales,
  toHalf,
  transposed,
  type Pieces,
} from '../../lib/export/convert';
import { FARTHEST, relativeBucket } from '../../lib/export/relative-buckets';
import { Weights, type Tensor } from '../../lib/export/weights';

/** The number that a half is, by IEEE 754. */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

const FINITE = Array.from({ length: 0x7c00 }, (_, bits) => bits);
const bitsOf = (...numbers: number[]) => [...toHalf(Float32Array.from(numbers))];

describe('toHalf', () => {
  test('keeps every finite half, of both signs', () => {
    expect(bitsOf(...FINITE.map(half))).toEqual(FINITE);
    expect(bitsOf(...FINITE.map((bits) => half(bits | 0x8000)))).toEqual(FINITE.map((bits) => bits | 0x8000));
  });

  test('rounds to the nearest, and what is in the middle to the even one', () => {
    const next = FINITE.slice(0, -1);
    const middle = (bits: number) => (half(bits) + half(bits + 1)) / 2;
    expect(bitsOf(...next.map(middle))).toEqual(next.map((bits) => (bits % 2 === 0 ? bits : bits + 1)));
    const near = next.filter((bits) => bits > 100);
    const below = (bits: number) => half(bits) + 0.499 * (half(bits + 1) - half(bits));
    const above = (bits: number) => half(bits) + 0.501 * (half(bits + 1) - half(bits));
    expect(bitsOf(...near.map(below))).toEqual(near);
    expect(bitsOf(...near.map(above))).toEqual(near.map((bits) => bits + 1));
  });

  test('holds what is too large at the largest, and what is no number as none', () => {
    expect(bitsOf(65504, 65520, 1e30, Infinity, -1e30)).toEqual([0x7bff, 0x7bff, 0x7bff, 0x7bff, 0xfbff]);
    const [found] = bitsOf(NaN);
    expect(found! & 0x7c00).toBe(0x7c00);
    expect(found! & 0x3ff).not.toBe(0);
    expect(bitsOf(0, -0, 1e-30, 2 ** -24, 2 ** -25)).toEqual([0, 0x8000, 0, 1, 0]);
  });
});

describe('matrices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-convert-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let weights: Weights | undefined;
  afterEach(() => weights?.close());

  /** A matrix as the engine writes it, behind a tensor of another type. */
  async function matrix(rows: number, columns: number, of: (row: number, column: number) => number): Promise<Tensor> {
    const numbers = Float32Array.from({ length: rows * columns }, (_, i) => of(Math.floor(i / columns), i % columns));
    const header = Buffer.from(
      JSON.stringify({
        __metadata__: { format: 'pt' },
        ids: { dtype: 'I64', shape: [1], data_offsets: [0, 8] },
        w: { dtype: 'F32', shape: [rows, columns], data_offsets: [8, 8 + 4 * numbers.length] },
      }),
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const path = join(folder, `${rows}x${columns}.safetensors`);
    writeFileSync(path, Buffer.concat([length, header, Buffer.alloc(8), Buffer.from(numbers.buffer)]));
    weights = await Weights.open(path);
    expect(weights.has('ids')).toBe(false);
    return weights.tensor('w');
  }

  async function bytes(pieces: Pieces): Promise<Uint8Array> {
    const all: Uint8Array[] = [];
    for await (const piece of pieces) all.push(piece.slice());
    return Uint8Array.from(Buffer.concat(all));
  }

  test.each([
    [3, 5],
    [700, 1100], // more than one piece
  ])('of %i by %i are turned round', async (rows, columns) => {
    const tensor = await matrix(rows, columns, (row, column) => row * columns + column);
    let [at, wrong] = [0, 0];
    for await (const piece of transposed(tensor)) {
      for (const value of piece) {
        if (value !== (at % rows) * columns + Math.floor(at / rows)) ++wrong;
        ++at;
      }
    }
    expect([at, wrong]).toEqual([rows * columns, 0]);
  });

  test('are quantised row by row, to half a step', async () => {
    const [rows, columns] = [600, 1000];
    const value = (row: number, column: number) => (row === 7 ? 0 : Math.sin(row + 3 * column) * 10 ** ((row % 5) - 2));
    const tensor = await matrix(rows, columns, value);
    const scales = await rowScales(tensor);
    expect(scales[7]).toBe(1);
    const byRow = new Int8Array((await bytes(quantisedRows(tensor))).buffer);
    const byColumn = await bytes(quantisedColumns(tensor));
    let [worst, different] = [0, 0];
    for (let row = 0; row < rows; ++row) {
      for (let column = 0; column < columns; ++column) {
        const quantised = byRow[row * columns + column]!;
        if (byColumn[column * rows + row] !== COLUMN_ZERO + quantised) ++different;
        worst = Math.max(worst, Math.abs(quantised * scales[row]! - value(row, column)) / scales[row]!);
      }
    }
    expect(different).toBe(0);
    expect(worst).toBeLessThan(0.501);
    expect(worst).toBeGreaterThan(0.4);
  });

  test('are written in blocks of 32 with a half for the step', async () => {
    const value = (row: number, column: number) => (row === 1 ? 0 : Math.cos(row * 100 + column) * 3);
    const tensor = await matrix(4, 64, value);
    const found = await bytes(inBlocks(tensor.pieces(64)));
    expect(found).toHaveLength(4 * 2 * 34);
    const view = new DataView(found.buffer);
    for (let block = 0; block < 8; ++block) {
      const step = half(view.getUint16(34 * block, true));
      for (let i = 0; i < 32; ++i) {
        const expected = value(Math.floor(block / 2), (block % 2) * 32 + i);
        const error = Math.abs(view.getInt8(34 * block + 2 + i) * step - expected);
        expect(error).toBeLessThanOrEqual(0.51 * step + 0.0005 * Math.abs(expected));
      }
    }
  });

  test('lose their first rows where they are asked to', async () => {
    const tensor = (await matrix(6, 2, (row, column) => 10 * row + column)).rowsFrom(4);
    expect(tensor.shape).toEqual([2, 2]);
    expect([...(await tensor.whole())]).toEqual([40, 41, 50, 51]);
  });
});

test("distances have transformers' buckets", () => {
  // By MPNet's own formula in single precision, away from its edges.
  const formula = (distance: number) => {
    const d = Math.abs(distance);
    const bucket = d < 8 ? d : Math.min(15, 8 + Math.floor((Math.log(d / 8) / Math.log(16)) * 8));
    return distance > 0 ? 16 + bucket : bucket;
  };
  for (const distance of [0, 1, -1, 7, -7, 9, 11, 13, -17, 25, 40, -50, 70, -80, 100, 127, -500, 1000])
    expect(relativeBucket(distance)).toBe(formula(distance));
  expect(relativeBucket(FARTHEST)).toBe(relativeBucket(100_000));
  expect(relativeBucket(FARTHEST - 1)).not.toBe(relativeBucket(FARTHEST));
});
