import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFile, execFileSync } from 'node:child_process';
import { describeForm } from '../../../lib/data/form';
import { fetchDataSet, hubDataSet, parquetFiles } from '../../../lib/model/fetch/data-set';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { useCleanEnvironment } from './support/environment';
import { fixtureFolder } from './support/fixture';
import { cacheFolder, hub, useOwnHub } from './support/own-hub';
import { rejection } from '../../public/runs';

/** Data sets of the hub, by their Parquet files: fetched once, from one commit, and trained on. */

// As it is built: Parquet is decoded in a thread of its own, which jest cannot compile.
const built = require('../../../dist/data/source.js') as typeof import('../../../lib/data/source');

useCleanEnvironment();
afterAll(removeFolders);

const ID = 'owner/questions';
const [first, second] = ['pairs-0.parquet', 'pairs-1.parquet'].map((name) =>
  readFileSync(join(__dirname, '../data/fixtures', name)),
) as [Buffer, Buffer];
const FILES = {
  'README.md': Buffer.from('# questions'),
  'data/train-00000-of-00002.parquet': first,
  'data/train-00001-of-00002.parquet': second,
  'data/test-00000-of-00001.parquet': first,
};

useOwnHub();

async function read(source: string, { split, offline }: { split?: string; offline?: boolean } = {}) {
  const { signal } = new AbortController();
  const files = await fetchDataSet(hubDataSet(source)!, split, { cacheFolder, hubUrl: hub.url, offline, signal });
  const data = await built.collectRows(source, { file: undefined, onBadRow: 'refuse', files }, signal);
  return { rows: data.rows, told: describeForm(data), file: data.facts.file };
}

test('all files of the split as one, fetched once; then the hub is not asked', async () => {
  hub.add(ID, FILES);
  const { rows, told, file } = await read(`hub:${ID}`);
  expect(told).toBe('20 pairs of anchor and positive');
  expect(file).toMatchObject({ format: 'parquet', columns: { anchor: 'anchor', positive: 'positive' } });
  // In the second file the columns stand in another order.
  expect(rows).toEqual(Array.from({ length: 20 }, (_, i) => [`question ${i}`, `answer ${i}`]));
  expect(hub.fetched.sort()).toEqual(Object.keys(FILES).filter((path) => path.startsWith('data/train')));
  const asked = hub.requests.length;
  expect((await read(`hub:${ID}`, { offline: true })).rows).toEqual(rows);
  expect(hub.requests).toHaveLength(asked);
  expect((await read(`hub:${ID}`, { split: 'test' })).rows).toHaveLength(12);
  expect(readdirSync(join(cacheFolder, 'datasets')).sort()).toEqual(['owner--questions', 'owner--questions@@test']);
});

test('a configuration by its name; what the hub has made Parquet of itself', async () => {
  hub.add(ID, { 'pair/train/0000.parquet': first, 'triplet/train/0000.parquet': second });
  expect((await read(`hub:${ID}/triplet`)).rows).toHaveLength(8);
  const several = await rejection(read(`hub:${ID}`));
  expect(several).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(/several configurations: pair, triplet\. Name the one .*hub:owner\/questions\/pair/),
  });
  hub.add('owner/csv', { 'train.csv': Buffer.from('a,b\n') });
  const commit = hub.add('owner/csv', { 'default/partial-train/0000.parquet': first }, 'converted');
  const { references } = hub.repositories.get('owner/csv')!;
  references['main'] = Object.keys(hub.repositories.get('owner/csv')!.commits)[0]!;
  expect(await rejection(read('hub:owner/csv'))).toMatchObject({ code: 'ERR_DATA_FILE' });
  references['refs/convert/parquet'] = commit;
  expect((await read('hub:owner/csv')).rows).toHaveLength(12);
});

test.each<[string, { split?: string; offline?: boolean }, string, RegExp]>([
  ['hub:owner/nothing', {}, 'ERR_DOWNLOAD', /did not give owner\/nothing at revision main/],
  [`hub:${ID}`, { split: 'dev' }, 'ERR_INVALID_OPTION', /has no split dev; it has test, train\. .*split: 'test'/],
  [`hub:${ID}/fr`, {}, 'ERR_INVALID_OPTION', /has no configuration fr; it has default/],
  [`hub:${ID}`, { offline: true }, 'ERR_DOWNLOAD', /not in vectune's cache.*being offline/],
  ['hub:name', {}, 'ERR_INVALID_ARGUMENT', /is named hub:owner\/name, .*not hub:name/],
  ['hub:../../etc/passwd', {}, 'ERR_INVALID_ARGUMENT', /is named hub:owner\/name/],
])('%s %j is refused, and nothing is left in the cache', async (source, options, code, message) => {
  hub.add(ID, FILES);
  expect(await rejection(read(source, options))).toMatchObject({ code, message: expect.stringMatching(message) });
  const folder = join(cacheFolder, 'datasets');
  expect(existsSync(folder) ? readdirSync(folder) : []).toEqual([]);
});

test('files that come damaged, or a connection that breaks off, leave nothing', async () => {
  hub.add(ID, FILES);
  hub.fault = ({ path, range }, response) => {
    if (range !== undefined || !path.endsWith('train-00001-of-00002.parquet')) return false;
    response.writeHead(200, { 'content-length': second.length }).end(Buffer.alloc(second.length, 1));
    return true;
  };
  expect(await rejection(read(`hub:${ID}`))).toMatchObject({ code: 'ERR_CHECKSUM' });
  expect(readdirSync(join(cacheFolder, 'datasets'))).toEqual([]);
});

test('on the command line', async () => {
  hub.add(ID, FILES);
  const { NODE_OPTIONS: _, ...env } = process.env;
  const out = join(temporaryFolder(), 'out');
  const main = join(__dirname, '../../../dist/cli/main.js');
  const run = [main, 'finetune', `hub:${ID}`, '--split', 'test', '--model', fixtureFolder('bert-mean'), '--out', out];
  // Where it is found without a cache of the test's own.
  const libtorch = execFileSync(process.execPath, [main, 'libtorch', 'path'], { env, encoding: 'utf8' }).trim();
  const stderr = await new Promise<string>((resolve) => {
    const environment = { ...env, HF_ENDPOINT: hub.url, VECTUNE_CACHE: cacheFolder, VECTUNE_LIBTORCH: libtorch };
    execFile(process.execPath, [...run, '--epochs', '1'], { env: environment }, (_error, _out, said) => resolve(said));
  });
  expect(stderr).toMatch(/^fetching owner\/questions from the hub: data\/test-00000-of-00001\.parquet/m);
  expect(stderr).toMatch(/^12 pairs of anchor and positive; columns anchor, positive$/m);
  expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
});

test('names of data sets; files by configuration and split', () => {
  expect(hubDataSet('hub:a/b/c@v1')).toEqual({ id: 'a/b', config: 'c', revision: 'v1' });
  expect(hubDataSet('hub:a/b')).toEqual({ id: 'a/b', config: undefined, revision: undefined });
  expect(hubDataSet('a/b')).toBeNull();
  const paths = ['data/train-00001-of-00002.parquet', 'data/train-00000-of-00002.parquet', 'x/test.parquet', 'y.csv'];
  expect(parquetFiles(paths)).toEqual(
    new Map([
      ['default', new Map([['train', paths.slice(0, 2).reverse()]])],
      ['x', new Map([['test', ['x/test.parquet']]])],
    ]),
  );
});
