import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, evaluate as evaluateData, mineHardNegatives } from '../../lib';
import { vectune } from '../checkpoint/vectune';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { HubServer } from '../unit/model/support/hub-server';
import { EmbeddingsServer } from './embeddings-server';

/** Data sets of the hub are measured, from where the environment says. */

afterAll(removeFolders);

const [first, second] = ['pairs-0.parquet', 'pairs-1.parquet'].map((name) =>
  readFileSync(join(__dirname, '../unit/data/fixtures', name)),
) as [Buffer, Buffer];
/** "question 7" and "answer 7" are one. */
const model = new EmbeddingsServer((text) => [Math.cos(Number(/\d+/.exec(text))), Math.sin(Number(/\d+/.exec(text)))]);
let hub: HubServer;
let address: string;
/** Where it is found without a cache of the test's own. */
let libtorch: string;
beforeAll(async () => {
  libtorch = (await vectune(['libtorch', 'path'])).stdout.trim();
  hub = await HubServer.start();
  address = await model.start();
});
afterAll(() => Promise.all([hub.stop(), model.stop()]));

async function run(command: string, source: string, ...flags: string[]) {
  const environment = {
    HF_ENDPOINT: hub.url,
    VECTUNE_CACHE: temporaryFolder(),
    HF_HUB_OFFLINE: '',
    HF_TOKEN: '',
    VECTUNE_LIBTORCH: libtorch,
  };
  const { code, stdout, stderr } = await vectune(
    [command, source, '--model', address, ...flags],
    undefined,
    environment,
  );
  return {
    code,
    stderr,
    rows: stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as object])),
  };
}

test('the rows of test, of the split that is named, or of the only one', async () => {
  hub.add('owner/questions', {
    'data/train-00000-of-00001.parquet': second,
    'data/test-00000-of-00001.parquet': first,
  });
  const evaluate = (source: string, ...flags: string[]) =>
    run('evaluate', source, '--json', '--no-intervals', ...flags);
  const found = await evaluate('hub:owner/questions');
  expect(found).toMatchObject({
    code: 0,
    rows: [
      {
        form: 'retrieval',
        count: 12,
        understood: '12 pairs of anchor and positive; columns anchor, positive',
        metrics: { 'accuracy@1': 1 },
      },
    ],
  });
  expect(found.stderr).toMatch(/^fetching owner\/questions from the hub: data\/test-00000-of-00001\.parquet/);
  expect(hub.fetched).toEqual(['data/test-00000-of-00001.parquet']);
  expect(await evaluate('hub:owner/questions', '--split', 'train')).toMatchObject({ code: 0, rows: [{ count: 8 }] });
  hub.add('owner/one', { 'data/train-00000-of-00001.parquet': second });
  expect(await evaluate('hub:owner/one')).toMatchObject({ code: 0, rows: [{ count: 8 }] });
  // The functions take what else the environment says.
  const here = {
    embed: (texts: readonly string[]) => Promise.resolve(texts.map((text) => [Number(/\d+/.exec(text)), 1])),
  };
  const place = { hubUrl: hub.url, cacheFolder: temporaryFolder(), accessToken: 'hf_own', offline: false };
  // Parquet is read by ES modules, which this runner does not load: that it was fetched there is what is looked at.
  await evaluateData(here, 'hub:owner/one', place).catch(() => undefined);
  expect(readdirSync(join(place.cacheFolder, 'datasets'))).toHaveLength(1);
  const away = { ...place, cacheFolder: temporaryFolder(), offline: true };
  await expect(evaluateData(here, 'hub:owner/one', away)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
  await expect(mineHardNegatives(here, 'hub:owner/one', away)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
  await expect(compare(here, here, 'hub:owner/one', away)).rejects.toMatchObject({ code: 'ERR_DOWNLOAD' });
  hub.add('owner/two', { 'data/train.parquet': second, 'data/extra.parquet': second });
  const unclear = await evaluate('hub:owner/two');
  expect(unclear).toMatchObject({ code: 2, rows: [] });
  expect(unclear.stderr).toContain('none of them test or validation or dev: extra, train');
}, 60_000);

test('negatives are mined of its rows, of train unless another split is named', async () => {
  const found = await run('mine', 'hub:owner/questions', '--num-negatives', '1');
  expect(found).toMatchObject({ code: 0, stderr: expect.stringContaining('8 pairs') as string });
  expect(found.rows).toHaveLength(8);
  expect(found.rows[0]).toMatchObject({ anchor: 'question 12', positive: 'answer 12' });
  expect((await run('mine', 'hub:owner/questions', '--num-negatives', '1', '--split', 'test')).rows).toHaveLength(12);
}, 60_000);
