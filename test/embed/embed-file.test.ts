import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { embedFile, type BatchEvent, type BatchModel, type EmbedFileOptions } from '../../lib';
import { readNpy } from '../../lib/data/formats/npy';
import { bits, fixture, useModels } from '../public/models';

/** Vectors in files: what is written is read by others, whole or not at all, and no faster than it is written. */

const models = useModels();
const list = (count: number) => Array.from({ length: count }, (_, i) => `text ${i} ü "${'x'.repeat(i % 7)}"`);
/** A model whose numbers tell place and text. */
const ofWidth = (width: number): BatchModel => ({
  embed: (texts) =>
    Promise.resolve(texts.map((text) => Float32Array.from({ length: width }, (_, i) => text.length / 3 + i / 7))),
});

interface Row {
  id?: string | number;
  text?: string;
  vector: number[];
}

function parquet(file: string, ...flags: string[]): { groups: number; rows: Row[]; hash: string } {
  const program = join(__dirname, 'programs', 'read-parquet.mjs');
  return JSON.parse(
    execFileSync(process.execPath, [program, file, ...flags], { encoding: 'utf8', maxBuffer: 1 << 28 }),
  ) as ReturnType<typeof parquet>;
}

function jsonl(file: string): Row[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as Row);
}

const asBits = (rows: readonly Row[]) => bits(rows.map(({ vector }) => Float32Array.from(vector)));

test.each([1, 3, 8, 13])('vectors of width %i: the same bits in every format, beside their texts', async (width) => {
  const texts = list(21);
  const expected = (await ofWidth(width).embed(texts)) as Float32Array[];
  const write = (name: string, options: EmbedFileOptions = {}) =>
    embedFile(ofWidth(width), texts, models.path(name), { batchSize: 8, ...options });
  expect(await write('a.parquet')).toEqual({
    file: models.path('a.parquet'),
    format: 'parquet',
    count: 21,
    dimensions: width,
  });
  expect(await write('a.ndjson')).toMatchObject({ format: 'jsonl' });
  expect(await write('a.npy')).toMatchObject({ format: 'npy' });
  for (const rows of [parquet(models.path('a.parquet')).rows, jsonl(models.path('a.ndjson'))]) {
    expect(rows.map(({ text }) => text)).toEqual(texts);
    expect(asBits(rows)).toBe(bits(expected));
  }
  const { data, shape } = await readNpy(models.path('a.npy'));
  expect(shape).toEqual([21, width]);
  expect(bits([data])).toBe(bits([Float32Array.from(expected.flatMap((vector) => [...vector]))]));
  const header = readFileSync(models.path('a.npy')).subarray(0, 128).toString('latin1');
  expect(header.slice(0, 10)).toBe('\x93NUMPY\x01\x00v\x00');
  expect(header.slice(10)).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(21, \d+\), \} *\n$/);
  await write('b.parquet', { text: false });
  await write('b', { text: false });
  expect(parquet(models.path('b.parquet')).rows[20]).toEqual({ vector: Array.from(expected[20]!) });
  expect(JSON.parse(readFileSync(models.path('b'), 'utf8').split('\n')[20]!)).toEqual(Array.from(expected[20]!));
});

test('many row groups; a batch that is larger than one; no text at all', async () => {
  const texts = list(1500);
  const hash = createHash('sha256');
  for (const vector of (await ofWidth(4096).embed(texts)) as Float32Array[]) hash.update(vector);
  const expected = hash.digest('hex');
  for (const batchSize of [300, 1500]) {
    await embedFile(ofWidth(4096), texts, models.path('large.parquet'), { batchSize });
    const found = parquet(models.path('large.parquet'), '--digest');
    expect(found.groups).toBe(2);
    expect(found.rows.map(({ text }) => text)).toEqual(texts);
    expect(found.hash).toBe(expected);
  }
  for (const name of ['none.parquet', 'none.jsonl', 'none.npy'])
    expect(await embedFile(ofWidth(3), [], models.path(name))).toMatchObject({ count: 0, dimensions: 0 });
  expect(parquet(models.path('none.parquet')).rows).toEqual([]);
  expect(readFileSync(models.path('none.jsonl'), 'utf8')).toBe('');
  expect((await readNpy(models.path('none.npy'))).shape).toEqual([0, 0]);
}, 120_000);

test('a file of texts, packed too, with the time left by what has been read of it', async () => {
  const texts = list(5000);
  for (const content of [texts.join('\n'), gzipSync(texts.join('\r\n'))]) {
    const told: BatchEvent[] = [];
    const from = models.path('texts');
    writeFileSync(from, content);
    const onProgress = (event: BatchEvent) => void told.push(event);
    await embedFile(ofWidth(4), from, models.path('t.parquet'), { batchSize: 700, onProgress });
    expect(parquet(models.path('t.parquet')).rows.map(({ text }) => text)).toEqual(texts);
    expect(told.map(({ done }) => done)).toEqual([700, 1400, 2100, 2800, 3500, 4200, 4900, 5000]);
    for (const { total, secondsLeft } of told) expect([total, secondsLeft! >= 0]).toEqual([null, true]);
    expect(told.at(-1)!.secondsLeft).toBe(0);
  }
  writeFileSync(models.path('lines.jsonl'), '"a"\n{"text":"b"}\n');
  await embedFile(ofWidth(4), models.path('lines.jsonl'), models.path('t.jsonl'), { json: true });
  expect(jsonl(models.path('t.jsonl')).map(({ text }) => text)).toEqual(['a', 'b']);
});

describe('texts of rows, and their ids', () => {
  const rows = [
    { _id: 'a-1', title: 'One', text: 'a text, with a comma', views: 3 },
    { _id: 'b-2', title: '', text: 'over\ntwo "lines"', views: 4 },
    { _id: 'c-3', title: 'Three', text: '', views: 5 },
  ];
  const quoted = (value: unknown) => `"${String(value).replaceAll('"', '""')}"`;
  const asCsv = [Object.keys(rows[0]!).join(','), ...rows.map((row) => Object.values(row).map(quoted).join(','))].join(
    '\n',
  );
  const asLines = rows.map((row) => JSON.stringify(row)).join('\n');
  const contents: Record<string, string | Buffer> = {
    'rows.csv': asCsv,
    'rows.CSV.gz': gzipSync(asCsv),
    'rows.tsv': asCsv.replaceAll('","', '"\t"').replaceAll(/^_id.*$/gm, (line) => line.replaceAll(',', '\t')),
    'rows.jsonl': asLines,
    'rows.ndjson.gz': gzipSync(asLines),
    'rows.json': JSON.stringify(rows),
  };

  async function written(from: string, options: EmbedFileOptions = {}): Promise<Row[]> {
    await embedFile(ofWidth(4), from, models.path('rows.out.jsonl'), { batchSize: 2, ...options });
    return jsonl(models.path('rows.out.jsonl'));
  }

  test.each(Object.keys(contents))('%s: by its ending, and the same in Parquet', async (name) => {
    writeFileSync(models.path(name), contents[name]!);
    const found = await written(models.path(name));
    expect(found.map(({ id, text }) => [id, text])).toEqual(rows.map(({ _id, text }) => [_id, text]));
    const titled = await written(models.path(name), { titleColumn: 'title', idColumn: 'text', textColumn: 'text' });
    expect(titled.map(({ text }) => text)).toEqual(['One a text, with a comma', 'over\ntwo "lines"', 'Three']);
    const vectors = models.path('rows.out.parquet');
    expect(await embedFile(ofWidth(4), models.path(name), vectors)).toMatchObject({ count: 3 });
    const again = parquet(vectors).rows;
    expect(again.map(({ id, text }) => ({ id, text }))).toEqual(rows.map(({ _id, text }) => ({ id: _id, text })));
    expect(asBits(again)).toBe(asBits(found));
  });

  test('other columns, numbers as ids, no names, vectors and ids alone', async () => {
    const csv = models.path('other.csv');
    writeFileSync(csv, 'number;body;n\n1;first;x\n2;second;y\n');
    expect((await written(csv, { idColumn: 'number', textColumn: 'n' })).map(({ id, text }) => [id, text])).toEqual([
      ['1', 'x'],
      ['2', 'y'],
    ]);
    expect(await written(csv)).toMatchObject([{ text: 'first' }, { text: 'second' }]);
    const nameless = models.path('nameless.csv');
    writeFileSync(nameless, '7,first\n8,second\n');
    expect(await written(nameless, { idColumn: 0, textColumn: 1 })).toMatchObject([{ id: '7', text: 'first' }, {}]);
    const lines = models.path('ids.jsonl');
    writeFileSync(lines, '{"id":7,"text":"a"}\n{"text":"b","id":"x"}\n');
    expect(await written(lines)).toMatchObject([
      { id: 7, text: 'a' },
      { id: 'x', text: 'b' },
    ]);
    const [alone] = await written(lines, { text: false });
    expect(Object.keys(alone!)).toEqual(['id', 'vector']);
    // Texts of .npy have no ids, and texts in lines neither, whatever the file holds.
    await embedFile(ofWidth(4), lines, models.path('ids.npy'));
    expect((await readNpy(models.path('ids.npy'))).shape).toEqual([2, 4]);
    expect((await written(lines, { inputFormat: 'lines' })).map(({ text }) => text)).toEqual([
      '{"id":7,"text":"a"}',
      '{"text":"b","id":"x"}',
    ]);
    const listed = [
      { id: 1, text: 'a' },
      { id: 2, text: 'b' },
    ];
    await embedFile(ofWidth(4), listed, models.path('listed.jsonl'), { batchSize: 1 });
    expect(jsonl(models.path('listed.jsonl'))).toMatchObject(listed);
  });

  test.each([
    ['two.csv', 'sentence,passage\na,b\n', {}, /not clear which column holds the texts.*Say which with .*textColumn/s],
    ['two.csv', 'sentence,passage\na,b\n', { textColumn: 'pasage' }, /no one column "pasage".*Did you mean .*passage/s],
    ['none.jsonl', '{"text":"a","id":1}\n{"text":"b"}\n', {}, /none\.jsonl, line 2.*the id "id" must be/],
    ['none.jsonl', '{"text":"a"}\n{"text":2}\n', {}, /none\.jsonl, line 2: there must be a string "text"/],
    ['none.jsonl', '{"text":"a"}\n{"text"\n', {}, /none\.jsonl, line 2: this is not JSON/],
    ['short.csv', 'id,text\n1,a\n2\n', {}, /short\.csv, line 3.*2 columns are expected, 1 found/],
    ['plain.txt', 'a\n', { textColumn: 'text' }, /textColumn.*but the texts are read as lines/],
    ['plain.jsonl', '"a"\n', { textColumn: 'text' }, /there must be an object with a member "text"/],
    ['plain.jsonl', '"a"\n', { file: { header: false } }, /file\.header.*but the texts are read as jsonl/],
    ['plain.csv', 'text\na\n', { json: true, inputFormat: 'csv' }, /json.*leave one out/],
  ] as const)('%s: %j with %j is refused', async (name, content, options, message) => {
    writeFileSync(models.path(name), content);
    await expect(written(models.path(name), options)).rejects.toThrow(message);
  });

  test('what says how a file is read is refused where texts are given', async () => {
    const refused = (options: EmbedFileOptions) => embedFile(ofWidth(4), ['a'], models.path('a.jsonl'), options);
    for (const options of [{ textColumn: 'a' }, { inputFormat: 'csv' }, { json: true }, { encoding: 'utf-8' }] as const)
      await expect(refused(options)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    const odd = [{ id: 1, text: 'a' }, { text: 'b' }];
    await expect(embedFile(ofWidth(4), odd, models.path('a.jsonl'))).rejects.toMatchObject({ row: 1 });
  });
});

test('a row group is bounded by its texts too', async () => {
  const texts = Array.from({ length: 40 }, (_, i) => `${i} ${'é'.repeat(500_000)}`);
  await embedFile(ofWidth(4), texts, models.path('long.parquet'), { batchSize: 40 });
  const { groups, rows } = parquet(models.path('long.parquet'));
  expect(groups).toBe(3);
  expect(rows.map(({ text }) => text!.length)).toEqual(texts.map(({ length }) => length));
}, 60_000);

test('texts are read only as fast as vectors are written', async () => {
  let read = 0;
  async function* source() {
    for (const text of list(200)) {
      ++read;
      yield text;
    }
  }
  const ahead: number[] = [];
  await embedFile(ofWidth(4), source(), models.path('t.npy'), {
    batchSize: 10,
    onProgress: ({ done }) => void ahead.push(read - done),
  });
  expect(ahead).toHaveLength(20);
  for (const texts of ahead) expect(texts).toBeLessThanOrEqual(20);
});

test('whole or not at all: what was there stays where the model fails or the caller stops', async () => {
  for (const name of ['kept.parquet', 'kept.jsonl', 'kept.npy']) {
    writeFileSync(models.path(name), 'before');
    let calls = 0;
    const failing: BatchModel = {
      embed: (texts) => (++calls === 3 ? Promise.reject(new Error('broken')) : ofWidth(3).embed(texts)),
    };
    await expect(embedFile(failing, list(50), models.path(name), { batchSize: 10 })).rejects.toThrow('broken');
    const stop = new AbortController();
    const stopped = embedFile(ofWidth(3), list(50), models.path(name), {
      batchSize: 10,
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(readFileSync(models.path(name), 'utf8')).toBe('before');
  }
  expect(readdirSync(models.path('.')).filter((name) => name.includes('partial'))).toEqual([]);
});

test('what cannot be meant or written is refused before a text is read', async () => {
  let read = false;
  function* source() {
    read = true;
    yield 'a';
  }
  const refused = (file: string, options?: object) => embedFile(ofWidth(3), source(), file, options);
  await expect(refused(models.path('a.csv'))).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(/a\.csv ends in \.csv, which says none of the formats of vectors/),
  });
  await expect(refused(models.path('a.npy'), { text: true })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await expect(refused(models.path('a.npy'), { format: 'csv' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  await expect(refused(models.path('no', 'such', 'a.npy'))).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(refused(models.path('.'), { format: 'npy' })).rejects.toMatchObject({ code: 'ERR_FILE' });
  await expect(refused('')).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  await expect(embedFile(ofWidth(3), models.path('none.txt'), models.path('a.npy'))).rejects.toMatchObject({
    code: 'ERR_DATA_FILE',
  });
  expect(read).toBe(false);
  expect(existsSync(models.path('a.npy'))).toBe(false);
  // The format that is named counts, whatever the file is called.
  await embedFile(ofWidth(3), source(), models.path('a.csv'), { format: 'jsonl' });
  expect(jsonl(models.path('a.csv'))).toHaveLength(1);
});

test("a real model's vectors, with options of its embed", async () => {
  const tv = models.open(fixture('bert-mean'));
  const texts = list(30);
  await embedFile(tv, texts, models.path('real.parquet'), { batchSize: 8, embed: { dimensions: 5 } });
  expect(asBits(parquet(models.path('real.parquet')).rows)).toBe(bits(await tv.embed(texts, { dimensions: 5 })));
});
