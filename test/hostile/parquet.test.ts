import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';

/** Parquet, in plain Node: the reader is an ES module, which jest does not import. The files are made by fixtures/parquet.py. */

afterAll(removeFolders);
const FIXTURES = join(__dirname, 'fixtures');

async function run(program: string, args: readonly string[], flags: readonly string[] = []): Promise<string> {
  const file = join(__dirname, 'programs', program);
  // What a process under --permission warns of is no matter here.
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--no-warnings', file, ...args], {
    timeout: 55_000,
    killSignal: 'SIGKILL',
  });
  return stdout;
}

interface Outcome {
  name: string;
  rows?: unknown[];
  code?: string;
  message?: string;
}

async function outcomes(folder: string): Promise<Map<string, Outcome>> {
  const lines = (await run('read-rows.cjs', [folder, 'parquet'])).trim().split('\n');
  return new Map(lines.map((line) => JSON.parse(line) as Outcome).map((outcome) => [outcome.name, outcome]));
}

test('every compression, bytes as texts, a name twice, values of other types', async () => {
  const folder = temporaryFolder();
  for (const name of readdirSync(FIXTURES).filter((file) => file.endsWith('.parquet') && file !== 'many.parquet')) {
    copyFileSync(join(FIXTURES, name), join(folder, name));
  }
  writeFileSync(join(folder, 'pointer.parquet'), 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n');
  writeFileSync(join(folder, 'text.parquet'), 'text1,text2,score\na,b,1\n');
  writeFileSync(join(folder, 'cut.parquet'), readFileSync(join(FIXTURES, 'zstd.parquet')).subarray(0, 700));
  writeFileSync(join(folder, 'packed.parquet.gz'), gzipSync(readFileSync(join(FIXTURES, 'zstd.parquet'))));
  const all = await outcomes(folder);
  for (const codec of ['none', 'snappy', 'gzip', 'zstd', 'lz4', 'brotli']) {
    expect(all.get(`${codec}.parquet`)).toEqual({
      name: `${codec}.parquet`,
      rows: [
        { text1: 'the old mill', text2: 'the quiet mill', score: 1 },
        { text1: 'rain', text2: 'bread', score: 0.25 },
        { text1: 'grün', text2: 'green', score: 0.5 },
      ],
    });
  }
  const message = (name: string) => all.get(name)?.message?.replaceAll(`${folder}/`, '');
  expect(message('bytes.parquet')).toMatch(/^bytes\.parquet \(row 1, counted from 0; column "text1"\): .*not UTF-8/);
  expect(message('types.parquet')).toMatch(/text2 of types\.parquet \(row 1, counted from 0\) is null/);
  expect(message('twice.parquet')).toMatch(/2 columns are called "score": numbers 2 and 3.*columns: \{ score: 2 \}/);
  expect(message('pointer.parquet')).toMatch(/pointer of Git LFS/);
  expect(message('text.parquet')).toMatch(/does not begin with PAR1\. .*format: 'csv'/);
  expect(message('packed.parquet.gz')).toMatch(/is packed with gzip\. Unpack it first/);
  expect(all.get('cut.parquet')?.code).toBe('ERR_DATA_FILE');
}, 60_000);

interface Seen {
  threads: number;
  refused: number;
  pieces: number[];
  sameTurn: number;
  rows: number;
  last: unknown;
  stopped: string;
  before: number;
  aborted: string;
}

/** One row group of 50,000 rows: some thousand rows at a time, the event loop's turn between, and an end when asked for. */
async function pieces(program: string, flags: readonly string[]): Promise<Seen> {
  const seen = JSON.parse(await run(program, [join(FIXTURES, 'many.parquet')], flags)) as Seen;
  expect({ rows: seen.rows, last: seen.last }).toEqual({
    rows: 50_000,
    last: { text1: 'text 99', text2: 'other 99', score: 0 },
  });
  expect(seen.pieces.length).toBeGreaterThanOrEqual(25);
  expect(Math.max(...seen.pieces)).toBeLessThanOrEqual(2000);
  expect(seen.sameTurn).toBe(0);
  expect({ stopped: seen.stopped, aborted: seen.aborted }).toEqual({ stopped: 'enough', aborted: 'before' });
  expect(seen.before).toBeGreaterThan(0);
  expect(seen.before).toBeLessThanOrEqual(2000);
  return seen;
}

test('a large row group is decoded in a thread of its own, which ends with the reading', async () => {
  const { threads, refused } = await pieces('read-parquet.cjs', []);
  expect({ threads, refused }).toEqual({ threads: 2, refused: 0 });
}, 60_000);

test('where no thread may be started it is decoded page by page', async () => {
  const permission = Number(process.versions.node.split('.')[0]) < 23 ? '--experimental-permission' : '--permission';
  const { threads, refused } = await pieces('read-parquet.cjs', [permission, '--allow-fs-read=*']);
  expect({ threads, refused }).toEqual({ threads: 0, refused: 2 });
}, 60_000);
