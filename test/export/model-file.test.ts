import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOf } from '../../lib/export/convert';
import { Graph } from '../../lib/export/onnx/graph';
import { writeOnnx } from '../../lib/export/onnx/model-file';
import { readOnnx } from './onnx-file';
import { runOnnx } from './onnx-run';

const folder = mkdtempSync(join(tmpdir(), 'vectune-onnx-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** x + a + b + c, of 1,000 numbers each, and a small constant. */
function sum(): Graph {
  const graph = new Graph('float32');
  let x = graph.input('x', 'float32', ['n', 1000]);
  for (const [i, name] of ['a', 'b', 'c'].entries()) {
    const value = graph.initializer(name, 'float32', [1000], async function* () {
      yield bytesOf(new Float32Array(400).fill(10 ** i));
      yield bytesOf(new Float32Array(600).fill(10 ** i));
    });
    x = graph.op('Add', [x, value]);
  }
  x = graph.op('Mul', [x, graph.number(2)]);
  graph.output('y', 'float32', ['n', 1000], x);
  return graph;
}

const x = { shape: [2, 1000], data: new Float64Array(2000).fill(0.5) };

test.each([
  [100_000, []],
  [9000, ['sum.onnx_data', 'sum.onnx_data_1']],
  [4000, ['sum.onnx_data', 'sum.onnx_data_1', 'sum.onnx_data_2']],
])('more than %i bytes of weights lie in files of their own', async (mostInline, expected) => {
  const place = mkdtempSync(join(folder, 'a-'));
  const told = new Map<string, [number, number]>();
  const files = await writeOnnx(sum(), place, 'sum.onnx', {
    producerVersion: '1',
    mostInline,
    onBytes: (file, written, total) => told.set(file, [written, total]),
  });
  expect(files).toEqual(expected);
  expect(readdirSync(place).sort()).toEqual(['sum.onnx', ...expected]);
  expect([...told.keys()]).toEqual(['sum.onnx', ...expected]);
  for (const [written, total] of told.values()) expect(written).toBe(total);
  const file = readOnnx(join(place, 'sum.onnx'));
  expect([...file.constants].filter(([, { external }]) => external)).toHaveLength(expected.length > 0 ? 3 : 0);
  const { y } = runOnnx(file, { x });
  expect(new Set(y!.data)).toEqual(new Set([2 * 111.5]));
});

test('what a listener throws ends the writing', async () => {
  const place = mkdtempSync(join(folder, 'b-'));
  const onBytes = () => {
    throw new Error('enough');
  };
  await expect(writeOnnx(sum(), place, 'sum.onnx', { producerVersion: '1', onBytes })).rejects.toThrow('enough');
});
