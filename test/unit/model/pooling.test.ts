import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import { readTensors } from '../../parity/safetensors';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { inEngine, vectorsOf } from './support/engine';
import { copyFixture, fixtureFolder, TEXTS, writeJson, type Json } from './support/fixture';

/** Poolings of every era against their definitions, computed here from the encoder's last hidden state. */

afterAll(removeFolders);

type Rows = Float32Array[];
const sum = (rows: Rows, k: number) => rows.reduce((total, row) => total + row[k]!, 0);
/** Each mode as sentence-transformers defines it, of a text's token vectors. */
const MODES: Record<string, (rows: Rows, k: number) => number> = {
  cls: (rows, k) => rows[0]![k]!,
  max: (rows, k) => Math.max(...rows.map((row) => row[k]!)),
  mean: (rows, k) => sum(rows, k) / rows.length,
  mean_sqrt_len: (rows, k) => sum(rows, k) / Math.sqrt(rows.length),
};
const WIDTH = 32;

/** The last hidden state of each of TEXTS, row by row. */
async function tokenVectors(): Promise<Rows[]> {
  const opened = await openModel(fixtureFolder('bert-mean'));
  const { ids, offsets } = await opened.tokeniser.encode(TEXTS, opened.maxInputLength);
  const file = join(temporaryFolder(), 'trace.safetensors');
  return inEngine(opened, async (addon, handle) => {
    const texts: Rows[] = [];
    for (let i = 0; i < TEXTS.length; ++i) {
      const text = ids.slice(offsets[i], offsets[i + 1]);
      await addon.traceForward(handle, text, Int32Array.of(0, text.length), file);
      const { data } = readTensors(file).get(`hidden.${opened.spec.encoder.layers}`)!;
      texts.push(Array.from(text, (_, row) => data.subarray(row * WIDTH, (row + 1) * WIDTH)));
    }
    return texts;
  });
}

let texts: Rows[];
beforeAll(async () => {
  texts = await tokenVectors();
});

const [CLS, MAX, MEAN, SQRT] = ['cls_token', 'max_tokens', 'mean_tokens', 'mean_sqrt_len_tokens'];
const old = (...on: (string | undefined)[]): Json => ({
  // In an order that is not that of concatenation.
  ...Object.fromEntries([MEAN, SQRT, MAX, CLS].map((mode) => [`pooling_mode_${mode}`, on.includes(mode)])),
  word_embedding_dimension: WIDTH,
  pooling_mode_weightedmean_tokens: false,
  pooling_mode_lasttoken: false,
});
const fresh = (pooling_mode: unknown): Json => ({ embedding_dimension: WIDTH, pooling_mode });

test.each<[string, Json, string[]]>([
  ['cls, old keys', old(CLS), ['cls']],
  ['max, old keys', old(MAX), ['max']],
  ['mean, old keys', old(MEAN), ['mean']],
  ['mean_sqrt_len, old keys', old(SQRT), ['mean_sqrt_len']],
  ['cls, new names', fresh('cls'), ['cls']],
  ['max, new names', fresh('max'), ['max']],
  ['mean, new names', fresh(['mean']), ['mean']],
  ['mean_sqrt_len, new names', fresh('mean_sqrt_len_tokens'), ['mean_sqrt_len']],
  ['two, old keys', old(MEAN, CLS), ['cls', 'mean']],
  ['two, new names', fresh(['max', 'mean_sqrt_len_tokens']), ['max', 'mean_sqrt_len']],
  ['all, old keys', old(CLS, MAX, MEAN, SQRT), ['cls', 'max', 'mean', 'mean_sqrt_len']],
  ['none chosen: the mean', { word_embedding_dimension: WIDTH }, ['mean']],
])('%s', async (_, config, modes) => {
  const folder = copyFixture('bert-mean');
  writeJson(config, folder, '1_Pooling', 'config.json');
  const opened = await openModel(folder);
  expect(opened.spec.head).toEqual([{ kind: 'pooling', modes }]);
  expect(opened.dimension).toBe(WIDTH * modes.length);
  const vectors = await vectorsOf(opened);
  texts.forEach((rows, i) => {
    const expected = modes.flatMap((mode) => Array.from({ length: WIDTH }, (__, k) => MODES[mode]!(rows, k)));
    const worst = Math.max(...expected.map((value, k) => Math.abs(value - vectors[i]![k]!)));
    expect(worst).toBeLessThan(1e-5);
  });
});
