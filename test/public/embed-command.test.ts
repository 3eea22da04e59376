import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readNpy } from '../../lib/data/formats/npy';
import { fixture, useModels } from './models';

/** What `vectune embed` reads: by file and by standard input. */

const MAIN = join(__dirname, '../../dist/cli/main.js');
const models = useModels();

interface Ended {
  code: number | null;
  texts: string[];
  stderr: string;
}

function embed(args: readonly string[], input?: Uint8Array): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, 'embed', '--model', fixture('bert-mean'), ...args]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  child.stdin.on('error', () => undefined).end(input);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const lines = stdout.split('\n').filter((line) => line !== '');
      resolve({ code, texts: lines.map((line) => (JSON.parse(line) as { text: string }).text), stderr });
    });
  });
}

test('by file: lines end at LF or CR LF only, a mark is no text, gzip is unpacked, an encoding is named', async () => {
  const odd = models.write('odd.txt', '\ufefffirst\u2028second\r\n\nthird\n');
  expect(await embed([odd])).toMatchObject({ code: 0, texts: ['first\u2028second', '', 'third'] });
  const packed = models.write('packed.txt.gz', gzipSync(Buffer.from('\ufeffgrün\nb', 'utf16le')));
  expect(await embed([packed])).toMatchObject({ code: 0, texts: ['grün', 'b'] });
  const windows = models.write('windows.txt', Buffer.from([0x49, 0x74, 0x92, 0x73, 0x0a]));
  expect(await embed([windows, '--encoding', 'windows-1252'])).toMatchObject({ code: 0, texts: ['It’s'] });
  const refused = await embed([windows]);
  expect(refused).toMatchObject({ code: 1, texts: [] });
  expect(refused.stderr).toMatch(
    /windows\.txt, line 1, character 3: the byte 0x92 is not UTF-8\. In windows-1252 it would read «It’s»\. If that is right, pass --encoding windows-1252; /,
  );
}, 60_000);

test('by standard input; JSON with a mark and empty lines; a folder is named', async () => {
  expect(await embed(['--jsonl'], Buffer.from('\ufeff"a\u2029b"\n\n{"text":"c"}\n'))).toMatchObject({
    code: 0,
    texts: ['a\u2029b', 'c'],
  });
  expect(await embed(['--jsonl', '-'], gzipSync('["a",\n{"text":"c"}]'))).toMatchObject({ code: 0, texts: ['a', 'c'] });
  const folder = models.path('.');
  const refused = await embed([folder]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`${folder} is a folder, but a file of texts is wanted.`);
}, 60_000);

test('to a file: the format by its ending or by --format, a prompt, and what cannot be meant', async () => {
  const texts = models.write('texts.txt', 'rain\nboats\n');
  const parquet = models.path('out.parquet');
  const done = await embed([texts, '--out', parquet]);
  expect(done).toMatchObject({ code: 0, texts: [] });
  expect(done.stderr).toContain(`2 texts: ${parquet}`);
  expect(readFileSync(parquet).subarray(0, 4).toString()).toBe('PAR1');
  const npy = models.path('vectors');
  expect(await embed([texts, '--out', npy, '--format', 'npy', '--dimensions', '4'])).toMatchObject({ code: 0 });
  expect((await readNpy(npy)).shape).toEqual([2, 4]);
  const jsonl = models.path('out.jsonl');
  expect(await embed(['--out', jsonl, '--no-text', '--jsonl'], Buffer.from('"a"\n{"text":"b"}\n'))).toMatchObject({
    code: 0,
  });
  expect(readFileSync(jsonl, 'utf8')).toMatch(/^\[[^\]]+\]\n\[[^\]]+\]\n$/);
  const unknown = await embed([texts, '--out', models.path('out.csv')]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toMatch(/out\.csv ends in \.csv.*--format jsonl/);
  const nowhere = await embed([texts, '--format', 'npy']);
  expect(nowhere).toMatchObject({ code: 2 });
  expect(nowhere.stderr).toMatch(/--format npy is for a file: name it with --out/);
}, 60_000);

test('rows of tables with their ids, and of a Parquet file that it wrote; prompts by what the texts are', async () => {
  const csv = models.write('rows.csv', 'key,body\n1,rain\n2,"boats, and more"\n');
  const asked = [csv, '--text-column', 'body', '--id-column', 'key'];
  expect((await embed(asked)).texts).toEqual(['rain', 'boats, and more']);
  const parquet = models.path('rows.parquet');
  expect(await embed([...asked, '--out', parquet])).toMatchObject({ code: 0 });
  const again = models.path('again.jsonl');
  expect(await embed([parquet, '--out', again, '--role', 'document'])).toMatchObject({ code: 0 });
  const rows = readFileSync(again, 'utf8').trim().split('\n');
  expect(rows.map((line) => Object.entries(JSON.parse(line) as object).slice(0, 2))).toEqual([
    [
      ['id', '1'],
      ['text', 'rain'],
    ],
    [
      ['id', '2'],
      ['text', 'boats, and more'],
    ],
  ]);
  // By the standard input too.
  const piped = models.path('piped.jsonl');
  const input = Buffer.from('{"id":5,"text":"rain"}\n');
  expect(await embed(['--jsonl', '--out', piped], input)).toMatchObject({ code: 0 });
  expect(JSON.parse(readFileSync(piped, 'utf8'))).toMatchObject({ id: 5, text: 'rain' });
  const both = await embed([csv, '--role', 'query', '--prompt', 'query: ']);
  expect(both.code).toBe(2);
  expect(both.stderr).toMatch(/--role and --prompt were both given/);
  const unclear = await embed([models.write('two.csv', 'question,answer\na,b\n')]);
  expect(unclear.code).toBe(1);
  expect(unclear.stderr).toContain('Say which with --text-column');
  const strange = await embed(['--input-format', 'csv'], Buffer.from('text\na\n'));
  expect(strange).toMatchObject({ code: 2 });
  expect(strange.stderr).toMatch(/--input-format is 'csv', which is read from a file/);
}, 120_000);
