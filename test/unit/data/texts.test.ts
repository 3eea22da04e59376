import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { checkEncoding } from '../../../lib/data/text/encoding';
import { readTexts, type TextsOptions } from '../../../lib/data/texts';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** What `vectune embed` reads: a text in each line, or JSON. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-texts-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function all(source: AsyncIterable<string[]>): Promise<string[][]> {
  const pieces: string[][] = [];
  for await (const piece of source) pieces.push(piece);
  return pieces;
}

async function read(bytes: Uint8Array | string, options?: TextsOptions): Promise<string[]> {
  const file = join(folder, 'texts');
  writeFileSync(file, bytes);
  const texts = await all(readTexts(file, options));
  // As a stream in which every byte comes by itself: nothing may depend on how the bytes are cut.
  const single = [...Buffer.from(bytes as string)].map((byte) => Buffer.from([byte]));
  const streamed = await all(readTexts(Readable.from(single, { objectMode: true }), options));
  expect(streamed.flat()).toEqual(texts.flat());
  return texts.flat();
}

async function refusal(bytes: Uint8Array | string, options?: TextsOptions): Promise<InvalidArgumentError> {
  const error: unknown = await read(bytes, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return error as InvalidArgumentError;
}

const utf16be = (text: string) => Buffer.from(text, 'utf16le').swap16();

test('a line ends at LF or CR LF; U+2028, U+2029, U+0085 and a lone CR are characters; an empty line is a text', async () => {
  expect(await read('one\u2028two\u2029three\u0085four\rfive\r\n\nsix')).toEqual([
    'one\u2028two\u2029three\u0085four\rfive',
    '',
    'six',
  ]);
});

test.each<[string, Uint8Array]>([
  ['UTF-8 with a mark', Buffer.from('\ufefffirst\ngrün 😀\nb\n')],
  ['UTF-16, little endian', Buffer.from('\ufefffirst\ngrün 😀\nb\n', 'utf16le')],
  ['UTF-16, big endian', utf16be('\ufefffirst\ngrün 😀\nb\n')],
  ['gzip', gzipSync('\ufefffirst\ngrün 😀\nb\n')],
  [
    'gzip in two parts, of UTF-16',
    Buffer.concat([
      gzipSync(Buffer.from('\ufefffirst\ngrün ', 'utf16le')),
      gzipSync(Buffer.from('😀\nb\n', 'utf16le')),
    ]),
  ],
])('%s', async (_, bytes) => {
  expect(await read(bytes)).toEqual(['first', 'grün 😀', 'b']);
});

test.each<[string, number[], string]>([
  ['windows-1252', [0x49, 0x74, 0x92, 0x73, 0x20, 0x63, 0x61, 0x66, 0xe9], 'It’s café'],
  ['latin1', [0x49, 0x74, 0x92, 0x73, 0x20, 0x63, 0x61, 0x66, 0xe9], 'It’s café'],
  ['Shift_JIS', [0x83, 0x65, 0x83, 0x58, 0x83, 0x67], 'テスト'],
  ['cp932', [0x83, 0x65, 0x83, 0x58, 0x83, 0x67], 'テスト'],
  ['gb18030', [0xd6, 0xd0, 0x81, 0x30, 0x81, 0x30], '中\u0080'],
  ['big5', [0xa4, 0xa4], '中'],
  ['euc-kr', [0xc7, 0xd1], '한'],
  ['koi8-r', [0xd0, 0xd2, 0xc9], 'при'],
  ['utf-16le', [0x41, 0, 0x3d, 0xd8, 0, 0xde], 'A😀'],
  ['utf-16be', [0, 0x41, 0xd8, 0x3d, 0xde, 0], 'A😀'],
])('encoding %s', async (name, bytes, text) => {
  expect(await read(Uint8Array.from(bytes), { encoding: checkEncoding('encoding', name) })).toEqual([text]);
});

test.each<[string, number[] | Uint8Array | string, string | undefined, RegExp]>([
  [
    'a quotation mark of windows-1252',
    [...Buffer.from('ok\nIt'), 0x92, ...Buffer.from('s the caf'), 0xe9, 10],
    undefined,
    /line 2, character 3: the byte 0x92 is not UTF-8\. In windows-1252 it would read «It’s the café»\. .*encoding/,
  ],
  [
    'a character that the file ends in',
    [...Buffer.from('ab'), 0xe2, 0x82],
    undefined,
    /line 1, character 3: the byte 0xE2/,
  ],
  ['a surrogate in UTF-8', [0xed, 0xa0, 0x80], undefined, /line 1, character 1: the byte 0xED/],
  [
    'Japanese',
    [0x83, 0x65, 0x83, 0x58, 0x83, 0x67],
    undefined,
    /character 1: the byte 0x83 is not UTF-8\. Name the encoding .*'shift_jis'/,
  ],
  [
    'half a character of Shift_JIS',
    [0x41, 0x0a, 0x42, 0x83, 0x20],
    'shift_jis',
    /line 2, character 2: the byte 0x83 is not SHIFT_JIS/,
  ],
  [
    'a lone surrogate',
    Buffer.from('\ufeffa\nb\ud800c', 'utf16le'),
    undefined,
    /line 2, character 2: .* is not UTF-16LE/,
  ],
  [
    'an odd byte of UTF-16',
    Buffer.concat([Buffer.from('\ufeffab', 'utf16le'), Buffer.from([1])]),
    undefined,
    /line 1, character 3/,
  ],
  [
    'UTF-16 without a mark',
    Buffer.from('text one\ntext two\n', 'utf16le'),
    undefined,
    /seems to be in UTF-16 without a byte order mark\. Pass .*utf-16le/,
  ],
  ['UTF-16 without a mark, big endian', utf16be('十二月\n一月 5\n'), undefined, /utf-16be/],
  ['UTF-32', [0xff, 0xfe, 0, 0, 65, 0, 0, 0], undefined, /UTF-32/],
  [
    'a mark that says another encoding',
    '\ufeffa',
    'windows-1252',
    /mark of utf-8, but was said to be in windows-1252\. Leave/,
  ],
  ['gzip that is cut off', gzipSync('text '.repeat(100)).subarray(0, 20), undefined, /cannot be unpacked/],
  [
    'a workbook',
    [0x50, 0x4b, 3, 4, ...Buffer.from('....xl/workbook.xml')],
    undefined,
    /is an Excel workbook \(\.xlsx\)\. Save it .*CSV/,
  ],
])('refuses %s', async (_, bytes, encoding, message) => {
  const error = await refusal(typeof bytes === 'string' ? bytes : Uint8Array.from(bytes), { encoding });
  expect(error.code).toBe('ERR_DATA_FILE');
  expect(error.message).toMatch(message);
});

test('a bad byte far in the file: the texts before it come first, and its line is right', async () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i + 1}, grün`);
  const good = Buffer.from(`${lines.join('\n')}\n`);
  const file = join(folder, 'long');
  writeFileSync(file, Buffer.concat([good, Buffer.from('caf'), Buffer.from([0xe9]), Buffer.from('\n'), good]));
  let texts = 0;
  const error = await (async () => {
    for await (const some of readTexts(file)) texts += some.length;
    return undefined;
  })().catch((reason: unknown) => reason as Error);
  expect(texts).toBe(20_000);
  expect(error?.message).toMatch(/line 20001, character 4: .*«café»/);
});

describe('as JSON', () => {
  test('strings and objects, with a mark and empty lines', async () => {
    expect(await read('\ufeff"a\u2028b"\n\n  \r\n{"text":"c","id":7}\r\n', { json: true })).toEqual(['a\u2028b', 'c']);
  });

  test.each(['["a","b]\\"",\n{"text":"c"}]', ' [\n"a" , "b]\\"", {\n"text": "c" }\n]\n'])(
    'one list: %j',
    async (list) => {
      expect(await read(list, { json: true })).toEqual(['a', 'b]"', 'c']);
    },
  );

  test.each<[string, string, RegExp]>([
    ['no JSON', '"a"\n\n{"text"\n', /line 3: this is not JSON/],
    ['a number', '"a"\n5\n', /line 2: there must be a string/],
    ['a list that is cut off', '["a",\n"b"', /line 2: .*the file is not complete/],
    ['a list without a comma', '["a"\n"b"]', /line 2: a comma is missing/],
    ['more after a list', '["a"]\n"b"', /line 2: there is more/],
  ])('refuses %s', async (_, text, message) => {
    expect((await refusal(text, { json: true })).message).toMatch(message);
  });
});

test('names a folder, what is in it, and a file that is not there', async () => {
  const inside = join(folder, 'inside');
  mkdirSync(inside);
  writeFileSync(join(inside, 'a.txt'), 'a');
  const read = async (file: string) => all(readTexts(file));
  await expect(read(inside)).rejects.toThrow(
    `${inside} is a folder, but a file of texts is wanted. In the folder there are: a.txt.`,
  );
  await expect(read(join(folder, 'none'))).rejects.toThrow(
    /none cannot be read: there is no such file or folder \(ENOENT\)\./,
  );
});

test('ends when it is told to, between two pieces', async () => {
  const file = join(folder, 'long');
  writeFileSync(file, 'a line\n'.repeat(200_000));
  const stop = new AbortController();
  let pieces = 0;
  await expect(
    (async () => {
      for await (const _ of readTexts(file, { signal: stop.signal })) {
        if (++pieces === 2) stop.abort(new Error('enough'));
      }
    })(),
  ).rejects.toThrow('enough');
  expect(pieces).toBe(2);
});
