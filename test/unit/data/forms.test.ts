import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { listRows } from '../../../lib/data/lists';
import type { PairData } from '../../../lib/data/pair';
import { collectLists, collectRows, type CollectedData } from '../../../lib/data/source';
import type { DataSource } from '../../../lib/data/training-row';
import type { ReadOptions } from '../../../lib/data/read-options';
import { readScored } from '../../../lib/data/read';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** Data as people have it, and what is told of how it was understood. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-forms-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Rows of two texts and a score, as two lists. */
function asPairs({ rows, labels, facts }: CollectedData): PairData & Pick<CollectedData, 'facts'> {
  return { pairs: rows as PairData['pairs'], scores: Array.from(labels), facts };
}

async function collectPairs(source: DataSource, file: ReadOptions | undefined, signal: AbortSignal) {
  return asPairs(await collectRows(source, { file, onBadRow: 'refuse' }, signal));
}

async function collect(name: string, content: string | Uint8Array, options?: ReadOptions) {
  return collectPairs(write(name, content), options, never);
}

async function refusal(
  name: string,
  content: string | Uint8Array,
  options?: ReadOptions,
): Promise<InvalidArgumentError> {
  const error: unknown = await collect(name, content, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  return error as InvalidArgumentError;
}

const two = {
  pairs: [
    ['a', 'b'],
    ['c', 'd'],
  ],
  scores: [1, 0],
};
const csv = 'text1,text2,score\na,b,1\nc,d,0\n';
const tsv = csv.replaceAll(',', '\t');
const objects = [
  { text1: 'a', text2: 'b', score: 1 },
  { text1: 'c', text2: 'd', score: 0 },
];
const jsonl = `${objects.map((row) => JSON.stringify(row)).join('\n')}\n`;
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');
const utf16be = (text: string) => utf16(text).swap16();

const forms: [string, string][] = [
  ['rows.csv', csv],
  ['rows.tsv', tsv],
  ['rows.jsonl', jsonl],
  ['rows.ndjson', jsonl],
  ['list.json', JSON.stringify(objects)],
  ['pretty.json', JSON.stringify(objects, null, 2)],
  ['lines.json', jsonl],
  ['spread.json', objects.map((row) => JSON.stringify(row, null, 1)).join('\n')],
  ['list.jsonl', JSON.stringify(objects, null, 1)],
];

describe.each(forms)('%s', (name, text) => {
  const { pairs, scores } = two;
  test.each<[string, string, Uint8Array, ReadOptions | undefined]>([
    ['UTF-8', name, Buffer.from(text), undefined],
    ['UTF-8 with a mark, and CR LF', name, Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n')}`), undefined],
    ['UTF-16', name, utf16(text), undefined],
    ['UTF-16, big endian', name, utf16be(text), undefined],
    ['UTF-16 without a mark, as it is told', name, utf16(text).subarray(2), { encoding: 'utf-16le' }],
    ['gzip', `${name}.gz`, gzipSync(text), undefined],
    ['gzip by its bytes, not its name', name, gzipSync(utf16(text)), undefined],
    ['no gzip by its name', `${name}.gz`, Buffer.from(text), undefined],
  ])('%s', async (_, file, bytes, options) => {
    expect(await collect(file, bytes, options)).toMatchObject({ pairs, scores });
  });

  test('U+2028, U+2029 and U+0085 are characters', async () => {
    const odd = text.replace('a', 'x\u2028y\u2029z\u0085');
    expect((await collect(name, odd)).pairs[0]).toEqual(['x\u2028y\u2029z\u0085', 'b']);
  });

  test('bytes that are not UTF-8 are told with row, line and character; encoding reads them', async () => {
    const at = text.indexOf('d', text.indexOf('c', text.indexOf('b')));
    const bytes = Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from([0x92]), Buffer.from(text.slice(at))]);
    const before = text.slice(0, at).split('\n');
    const error = await refusal(name, bytes);
    expect(error).toMatchObject({ code: 'ERR_DATA_FILE', row: 1, line: before.length, file: join(folder, name) });
    expect(error.message).toContain(`, line ${before.length}, character ${before.at(-1)!.length + 1} (row 1, counted`);
    expect(error.message).toMatch(/the byte 0x92 is not UTF-8\. In windows-1252 it would read «.*’d/);
    expect((await collect(name, bytes, { encoding: 'windows-1252' })).pairs[1]).toEqual(['c', '’d']);
    // The same far behind what is read at first, and packed.
    const many = Array.from({ length: 9000 }, () => objects[0]);
    const long =
      name.endsWith('.csv') || name.endsWith('.tsv')
        ? text.replace(/\n.*/s, '\n') + (name.endsWith('.tsv') ? 'a\tb\t1\n' : 'a,b,1\n').repeat(9000)
        : many.map((row) => `${JSON.stringify(row)}\n`).join('');
    const far = gzipSync(Buffer.concat([Buffer.from(long), Buffer.from([0xe9, 0x0a])]));
    const lines = long.split('\n').length;
    expect(await refusal(`far-${name.replace(/^(list|pretty)/, '')}.gz`, far)).toMatchObject({
      row: 9000,
      line: lines,
    });
  });

  test('a file of no rows, and one that is not complete', async () => {
    expect((await refusal(name, '')).code).toBe('ERR_EMPTY_DATA');
    expect(['ERR_DATA_FILE', 'ERR_SCORE_RANGE']).toContain((await refusal(name, text.trimEnd().slice(0, -2))).code);
  });
});

test('bytes that are not UTF-8 in a field: its column is named', async () => {
  const bytes = Buffer.concat([
    Buffer.from('id,text1,text2,score\n1,"a\nb",caf'),
    Buffer.from([0xe9]),
    Buffer.from(',1\n'),
  ]);
  expect((await refusal('column.csv', bytes)).message).toMatch(
    /column\.csv, line 3, character 7 \(row 0, counted from 0; column "text2"\): the byte 0xE9/,
  );
});

test.each<[string, string, string, string]>([
  ['semicolon', 'x.csv', 'text1;text2;score\na, and b;b;0,5\n', ';'],
  ['tab', 'x.csv', 'text1\ttext2\tscore\na, and b\tb\t0,5\n', '\t'],
  ['bar', 'x.csv', 'text1|text2|score\na, and b|b|0,5\n', '|'],
  ['semicolon in .tsv', 'x.tsv', 'text1;text2;score\na, and b;b;0,5\n', ';'],
  ['comma in .tsv', 'x.tsv', 'text1,text2,score\n"a, and b",b,"0,5"\n', ','],
  ["Excel's first line", 'x.csv', 'sep=;\r\ntext1;text2;score\r\na, and b;b;0,5\r\n', ';'],
  ['columns around', 'x.csv', 'id;text1;note;text2;score\n1;a, and b;x,y,z;b;0,5\n', ';'],
])('%s is found between fields, and a comma in numbers', async (_, name, text, delimiter) => {
  const { pairs, scores, facts } = await collect(name, text);
  expect({ pairs, scores, delimiter: facts.file?.delimiter }).toEqual({
    pairs: [['a, and b', 'b']],
    scores: [0.5],
    delimiter,
  });
  const names: Record<string, string> = { ',': 'commas', '\t': 'tabs', ';': 'semicolons', '|': 'bars' };
  const comma = 'The scores have a decimal comma, as 0,5.';
  const unread = name === 'x.csv' && text.startsWith('id;') ? ['Not read: "id", "note".'] : [];
  expect(facts.notes).toEqual([`The fields are separated by ${names[delimiter]!}.`, ...unread, comma]);
});

test('an encoding that a mark says is told', async () => {
  const { facts } = await collect('x.csv', utf16(csv));
  expect({ encoding: facts.file?.encoding, notes: facts.notes }).toEqual({
    encoding: 'utf-16le',
    notes: ['The text is in utf-16le, as its byte order mark says.'],
  });
  expect((await collect('x.csv', `\ufeff${csv}`)).facts.notes).toEqual([]);
});

test('a delimiter is found without a header, and taken as it is said', async () => {
  const columns = { text1: 0, text2: 1, score: 2 };
  const text = 'Hello, x, y;b, c;1\nc;d;0\n';
  expect((await collect('x.csv', text, { columns })).pairs[0]).toEqual(['Hello, x, y', 'b, c']);
  expect((await collect('y.csv', 'text1^text2^score\na;b^c|d^1\n', { delimiter: '^' })).pairs).toEqual([
    ['a;b', 'c|d'],
  ]);
  expect((await collect('z.csv', tsv, { delimiter: 'tab' })).scores).toEqual([1, 0]);
  expect((await refusal('z.csv', tsv, { delimiter: '::' })).code).toBe('ERR_INVALID_OPTION');
});

test.each<[string, string, string[], string[]]>([
  ['duplicate', 'not duplicate', ['duplicate'], ['not duplicate']],
  ['Duplicate', 'Not_Duplicate', ['Duplicate'], ['Not_Duplicate']],
  ['yes', 'no', ['yes'], ['no']],
  ['TRUE', 'FALSE', ['TRUE'], ['FALSE']],
  ['same', 'different', ['same'], ['different']],
  ['relevant', 'irrelevant', ['relevant'], ['irrelevant']],
  ['match', 'non-match', ['match'], ['non-match']],
])('%s and %s are scores, and it is told which is taken as 1', async (yes, no, one, zero) => {
  const { scores, facts } = await collect('x.csv', `text1,text2,label\na,b,${yes}\nc,d,${no}\ne,f,${yes}\n`);
  expect({ scores, labels: facts.file?.labels }).toEqual({ scores: [1, 0, 1], labels: { one, zero } });
  expect(facts.notes).toEqual([
    `The scores are words: "${yes}" is taken as 1 (2 rows), "${no}" is taken as 0 (1 row).`,
  ]);
});

test('truth values and words in JSON; words that are said; words that are not known', async () => {
  const truths = '[{"text1":"a","text2":"b","label":true},{"text1":"a","text2":"b","label":"no"}]';
  expect(await collect('x.json', truths)).toMatchObject({
    scores: [1, 0],
    facts: { file: { labels: { one: ['true'], zero: ['no'] } } },
  });
  const text = 'text1,text2,label\na,b,ham\nc,d,Spam\n';
  expect((await collect('x.csv', text, { labels: ['spam', 'ham'] })).scores).toEqual([1, 0]);
  expect((await refusal('x.csv', text)).message).toMatch(/line 2 \(row 0, counted from 0\) is 'ham'\. .*file\.labels/);
  expect((await refusal('x.csv', text, { labels: ['spam', 'eggs'] })).message).toMatch(
    /must be "spam" or "eggs".*'ham'/,
  );
  // A truth value is no number of another scale.
  expect((await collect('y.csv', 'text1,text2,score\na,b,true\nc,d,5\n', { scoreRange: [0, 5] })).scores).toEqual([
    1, 1,
  ]);
});

describe('quotes', () => {
  const head = 'text1\ttext2\tscore\n';
  test('in a field they are characters; a field in quotes may go over lines, which is told', async () => {
    const { pairs, facts } = await collect('x.tsv', `${head}say "hi" 5'\tb" c\t1\n"a\n\nb\tc"\td\t0\n`);
    expect(pairs).toEqual([
      ['say "hi" 5\'', 'b" c'],
      ['a\n\nb\tc', 'd'],
    ]);
    expect(facts.notes).toEqual(['One row has a field in quotes that goes on in the next line (lines 3 to 5).']);
  });

  test.each<[string, string, number, number, RegExp]>([
    [
      'opened in one row and closed rows later',
      '"Great\tnice\t1\na\tb\t0\nthe end"\tc\t1\n',
      1,
      3,
      /column "text1"\): a quote opens here and is closed in line 5 only.*3 rows would be read as one.*quoting: false/,
    ],
    [
      'the same in the second text',
      'a\t"Great\t1\na\tb\t0\nc\tthe end"\t0\n',
      1,
      3,
      /column "text2"\): a quote opens here and is closed in line 5/,
    ],
    ['never closed', '"Great\tnice\t1\na\tb\t0\n', 1, 3, /begins with a quote that is never closed.*quoting: false/],
    [
      'closed within the field',
      '"Great" stuff\tnice\t1\n',
      1,
      3,
      /after the next quote, which closes it, the field goes on/,
    ],
    ['closed in another row within a field', '"Great\tnice\t1\n"a" b\tc\t0\n', 1, 3, /after the next quote in line 4/],
    ['closed in another column', '"Great\tnice"\t1\n', 1, 3, /3 columns are expected, 2 found\. .*quoting: false/],
    [
      'closed in another row and column',
      '"Great\tnice\nb"\t0\na\tb\t1\n',
      1,
      3,
      /2 found\. A quote opens in line 3 and is closed in line 4\..*quoting: false/,
    ],
  ])('refused where they are %s', async (_, rows, row, line, message) => {
    const error = await refusal('x.tsv', `${head}ok\tfine\t1\n${rows}`);
    expect(error).toMatchObject({ code: 'ERR_DATA_FILE', row, line });
    expect(error.message).toMatch(message);
  });

  test('what looks like rows is a text where the caller says that quotes are quotes', async () => {
    const rows = '"Great\tnice\t1\na\tb\t0\nthe end"\tc\t1\n';
    expect((await collect('x.tsv', head + rows, { quoting: true })).pairs).toEqual([
      ['Great\tnice\t1\na\tb\t0\nthe end', 'c'],
    ]);
  });

  test('a text with the delimiter in lines of its own is no row', async () => {
    const text = 'score,text1,text2\n1,"Hello, dear\nfriend, of mine",b\n';
    expect((await collect('x.csv', text)).pairs).toEqual([['Hello, dear\nfriend, of mine', 'b']]);
  });
});

test.each<[string, string, ReadOptions | undefined, RegExp]>([
  [
    'all that is missing',
    'id,other\n1,2\n',
    undefined,
    /no column is known to hold text1, text2 or the score\. The columns are: "id", "other"\. Say which with \{ file: \{ columns: \{ text1: …, text2: …, score: … \} \} \}/,
  ],
  [
    'names that may be meant',
    'Left,Right,Gold\na,b,1\n',
    undefined,
    /Did you mean \{ file: \{ columns: \{ text1: 'Left', text2: 'Right', score: 'Gold' \} \} \}\?/,
  ],
  ['one missing', 'text1,text2,stars\na,b,1\n', undefined, /no column is known to hold the score/],
  ['a misspelt one', 'text1,text2,scor\na,b,1\n', undefined, /score: 'scor'/],
  [
    'several wrong choices',
    'q,a,s\n',
    { columns: { text1: 'x', text2: 'aa', score: 7 } },
    /there is no column "x" .*There is no column "aa".*only 3 columns/,
  ],
  [
    'the same name twice',
    'text1,text2,score,score\na,b,1,0\n',
    undefined,
    /2 columns are called "score": numbers 2 and 3, counted from 0.*score: 2/,
  ],
  [
    'no header',
    'How are you,Fine,1\nb,c,0\n',
    undefined,
    /If the first row is data already, pass \{ file: \{ header: false, columns: \{ text1: 0, text2: 1, score: 2 \} \} \}/,
  ],
])('columns: %s', async (_, text, columns, message) => {
  expect((await refusal('x.csv', text, columns)).message).toMatch(message);
});

test('the same name twice is no matter where the column is not read, or is chosen by its number', async () => {
  expect((await collect('x.csv', 'note,note,text1,text2,score\n,,a,b,1\n')).scores).toEqual([1]);
  const twice = 'text1,text2,score,score\na,b,1,0\n';
  expect((await collect('x.csv', twice, { columns: { score: 3 } })).scores).toEqual([0]);
});

test.each<[string, string | Uint8Array, RegExp]>([
  ['a.xlsx', 'PK', /a\.xlsx is a spreadsheet \(\.xlsx\)\. Save it .* as CSV/],
  ['a.xls', 'x', /is a spreadsheet/],
  ['a.ods', 'x', /is a spreadsheet/],
  [
    'a.csv',
    Buffer.from('PK\x03\x04....mimetypeapplication/vnd.oasis.opendocument.spreadsheet'),
    /is an OpenDocument spreadsheet/,
  ],
  ['b.csv', Buffer.from('PK\x03\x04....[Content_Types].xml....xl/workbook.xml'), /is an Excel workbook/],
  ['c.tsv', Buffer.from([0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1]), /is an old Excel workbook/],
  ['d.jsonl', Buffer.from('PAR1\x15\x00\x15'), /is a Parquet file\. .*format: 'parquet'/],
  ['e.csv.zip', 'PK', /is a packed file \(\.zip\)/],
  ['f.csv', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), /is packed with zstd/],
  ['g.csv', '<!DOCTYPE html>\n<html><body>Sign in</body></html>', /a page of HTML/],
  ['h.jsonl', 'version https://git-lfs.github.com/spec/v1\noid sha256:1\n', /a pointer of Git LFS.*git lfs pull/],
  ['i.csv', 'text1,text2,score\ra,b,1\r', /lines end in CR alone/],
  ['j.json', '{"data":[{"text1":"a","text2":"b","score":1}]}', /the rows stand in the member "data"/],
  ['k.json', '{"text1":{"0":"a"},"text2":{"0":"b"},"score":{"0":1}}', /one object of columns.*orient='records'/],
  ['l.jsonl', '{\n "text1": "a"\n}', /JSON Lines each row is one line.*format: 'json'/],
])('%s that is something else is called by its name', async (name, content, message) => {
  const error = await refusal(name, content);
  expect(error).toMatchObject({ code: 'ERR_DATA_FILE', file: join(folder, name) });
  expect(error.message).toMatch(message);
});

test('a folder is named as one, whatever its name says', async () => {
  const inside = await collectPairs(folder, undefined, never).catch((error: Error) => error);
  expect((inside as Error).message).toMatch(
    /vectune-forms-.* is a folder, but a data file is wanted\. In the folder there are: /,
  );
});

test('empty texts and lost characters are counted, in files, rows and lists', async () => {
  const told = [
    '3 rows have an empty text, 1 of them on both sides (the first is row 1, counted from 0); it is trained on as it is.',
    '1 row has U+FFFD in a text: characters were lost before the data came here.',
  ];
  const rows = [
    ['a', 'b', 1],
    ['', 'b', 1],
    [' ', '', 0],
    ['a\ufffd', '\t', 1],
  ] as [string, string, number][];
  const list = rows.map(([text1, text2, score]) => ({ text1, text2, score }));
  async function* slowly() {
    yield* list;
  }
  const pairs = rows.map(([text1, text2]) => [text1, text2]);
  const all = [
    await collect('x.jsonl', list.map((row) => JSON.stringify(row)).join('\n')),
    await collectPairs(list, undefined, never),
    await collectPairs(slowly(), undefined, never),
    await collectLists(
      listRows(
        pairs,
        rows.map(([, , score]) => score),
      ),
      'refuse',
      never,
    ),
  ];
  for (const { facts } of all) expect([facts.emptyTexts, facts.notes]).toEqual([3, told]);
});

test('rows and lists that are nearly right get the code that makes them right', async () => {
  const of = async (source: unknown) =>
    (await collectPairs(source as never, undefined, never).catch((error: Error) => error)) as Error;
  expect((await of([['a', 'b', 1]])).message).toMatch(
    /is \[ 'a', 'b', 1 \]\. Make objects.*\(\[text1, text2, score\]\) => \(\{ text1, text2, score \}\)/,
  );
  expect((await of([{ left: 'a', right: 'b', gold: 1 }])).message).toMatch(
    /row 0 \(counted from 0\) has no text1, text2 and score; it has left, right, gold\. Did you mean rows\.map\(\(\{ left, right, gold \}\) => \(\{ text1: left, text2: right, score: gold \}\)\)\?/,
  );
  expect((await of([{ text1: 'a', text2: 'b', scor: 1 }])).message).toMatch(/has no score; .*score: scor/);
  expect((await of([{ 'text a': 'a', text2: 'b', gold: 1 }])).message).toMatch(/text1: row\["text a"\]/);
  expect((await of({ pairs: [['a', 'b']], scores: [1] })).message).toMatch(/finetune\(data\.pairs, data\.scores\)/);
  const read = (pairs: unknown, scores: unknown) => [...listRows(pairs, scores).rows].map((one) => one());
  expect(() => read([['a', 'b', 1]], undefined)).toThrow(/pass objects: finetune\(rows\.map/);
  expect(() => read([['a', 'b', 1]], [1])).toThrow(/pairs\[0\] is \[ 'a', 'b', 1 \]\. Pass objects/);
  expect(() => read([{ text1: 'a' }], [1])).toThrow(/pass the rows alone: finetune\(rows\)/);
});

describe('in pieces', () => {
  /** Turns of the event loop so far. */
  let turns = 0;
  let immediate: NodeJS.Immediate;
  beforeEach(() => {
    const turn = () => {
      ++turns;
      immediate = setImmediate(turn);
    };
    turn();
  });
  afterEach(() => clearImmediate(immediate));

  const row = 'a text of some length,another one,1\n';
  const files: [string, string][] = [
    ['x.csv', `text1,text2,score\n${row.repeat(20_000)}`],
    ['x.tsv', `text1\ttext2\tscore\n${row.replaceAll(',', '\t').repeat(20_000)}`],
    ['x.jsonl', `${JSON.stringify(objects[0])}\n`.repeat(20_000)],
    ['x.json', JSON.stringify(Array.from({ length: 20_000 }, () => objects[0]))],
  ];

  test.each([...files, ...files.map(([name, text]) => [`${name}.gz`, text] as [string, string])])(
    '%s: at most 128 KiB at once, the event loop has its turn between, and it ends when it is stopped',
    async (name, text) => {
      const path = write(name, name.endsWith('.gz') ? gzipSync(text) : text);
      let [last, sameTurn, rows, largest] = [-1, 0, 0, 0];
      for await (const piece of readScored(path, undefined)) {
        if (turns === last) ++sameTurn;
        last = turns;
        rows += piece.length;
        largest = Math.max(largest, piece.length);
      }
      expect({ sameTurn, rows }).toEqual({ sameTurn: 0, rows: 20_000 });
      expect((largest * text.length) / 20_000).toBeLessThanOrEqual(1 << 17);
      const stop = new AbortController();
      let before = 0;
      await expect(
        (async () => {
          for await (const piece of readScored(path, { signal: stop.signal })) {
            before += piece.length;
            stop.abort(new Error('enough'));
          }
        })(),
      ).rejects.toThrow('enough');
      expect(before).toBeLessThan(20_000);
    },
  );

  test('lists, iterables and async iterables: 2,000 rows at once', async () => {
    const atOnce: number[] = [];
    let last = -1;
    const note = () => {
      if (turns === last) ++atOnce[atOnce.length - 1]!;
      else atOnce.push(1);
      last = turns;
    };
    function* each() {
      for (let i = 0; i < 10_000; ++i) {
        note();
        yield objects[i % 2]!;
      }
    }
    async function* eachAsync() {
      yield* each();
    }
    const pairs = Array.from({ length: 10_000 }, () => {
      const pair = ['', 'b'];
      Object.defineProperty(pair, 0, { get: () => (note(), 'a') });
      return pair;
    });
    for (const source of [each(), eachAsync()])
      expect((await collectPairs(source, undefined, never)).scores).toHaveLength(10_000);
    const { labels: scores } = await collectLists(listRows(pairs, new Float32Array(10_000)), 'refuse', never);
    expect(scores).toHaveLength(10_000);
    expect(atOnce.reduce((sum, rows) => sum + rows, 0)).toBeGreaterThanOrEqual(30_000);
    // A row is taken one before the turn and seen one after it; a text may be read twice.
    expect(Math.max(...atOnce)).toBeLessThanOrEqual(4002);
  });
});
