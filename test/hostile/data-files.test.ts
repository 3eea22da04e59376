import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { readRows } from '../../lib/data/read';
import type { ReadOptions } from '../../lib/data/read-options';
import { InvalidArgumentError } from '../../lib/system/errors';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { damaged, PATIENCE_MS, tries } from './property';

/**
 * Data files with anything in them: refused with an InvalidArgumentError that names the file, or read as rows that are
 * rows; and what a correct writer wrote is read as it was.
 */

afterAll(removeFolders);
const folder = temporaryFolder();

/** Reads the bytes as a file; gives how many rows there are, undefined where they were refused. */
async function readHostile(bytes: Uint8Array | string, options: ReadOptions): Promise<number | undefined> {
  const file = join(folder, 'data');
  writeFileSync(file, bytes);
  try {
    const rows = await readRows(file, options);
    for (const { text1, text2, score } of rows) {
      expect([typeof text1, typeof text2, typeof score, score >= 0 && score <= 1]).toEqual([
        'string',
        'string',
        'number',
        true,
      ]);
    }
    expect(rows.length).toBeGreaterThan(0);
    return rows.length;
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    expect(error.file).toBe(file);
    return undefined;
  }
}

const text = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('"', '""', ',', '\t', '\n', '\r\n', '\r', ' a ', '\ufeff', '#', "'", '\\'),
);
const row = fc.record({ text1: text, text2: text, score: fc.double({ min: 0, max: 1, noNaN: true }) });
/** UTF-8 has no lone surrogates. */
const wellFormed = (field: string) => Buffer.from(field).toString();
const rows = fc
  .array(row, { minLength: 1, maxLength: 8 })
  .map((list) =>
    list.map(({ text1, text2, score }) => ({ text1: wellFormed(text1), text2: wellFormed(text2), score })),
  );

const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`;

test.each([
  ['csv', ','],
  ['tsv', '\t'],
] as const)(
  'what is written as %s is read as it was',
  async (format, delimiter) => {
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n'), fc.boolean(), async (list, end, mark) => {
        const lines = list.map(({ text1, text2, score }) => [quoted(text1), quoted(text2), `${score}`].join(delimiter));
        const file = join(folder, 'data');
        writeFileSync(
          file,
          `${mark ? '\ufeff' : ''}text1${delimiter}text2${delimiter}score${end}${lines.join(end)}${end}`,
        );
        expect(await readRows(file, { format })).toEqual(list.map((one) => ({ ...one, score: one.score + 0 })));
      }),
      tries(200),
    );
  },
  PATIENCE_MS,
);

test(
  'what is written as JSON Lines is read as it was',
  async () => {
    await fc.assert(
      fc.asyncProperty(rows, async (list) => {
        const file = join(folder, 'data');
        writeFileSync(file, list.map((one) => JSON.stringify(one)).join('\n'));
        expect(await readRows(file, { format: 'jsonl' })).toEqual(
          list.map((one) => ({ ...one, score: one.score + 0 })),
        );
      }),
      tries(200),
    );
  },
  PATIENCE_MS,
);

const option = fc.record(
  {
    header: fc.boolean(),
    quoting: fc.boolean(),
    columns: fc.constantFrom(
      {},
      { text1: 0, text2: 1, score: 2 },
      { text1: 2, text2: 1, score: 0 },
      { text1: 'a' },
      { score: 7 },
    ),
  },
  { requiredKeys: [] },
);

test.each(['csv', 'tsv'] as const)(
  '%s: bytes of any kind',
  async (format) => {
    const line = fc
      .array(fc.oneof(text, fc.constantFrom('0', '1', '0.5', '1e400', 'NaN', '', 'true')), { maxLength: 5 })
      .map((fields) => fields.join(format === 'csv' ? ',' : '\t'));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(line, { maxLength: 6 })
        .map((lines) => ['text1,text2,score', ...lines].join('\n').replaceAll(',', format === 'csv' ? ',' : '\t')),
      fc.array(line, { maxLength: 6 }).map((lines) => lines.join('\n')),
    );
    let read = 0;
    await fc.assert(
      fc.asyncProperty(bytes, option, async (content, options) => {
        if ((await readHostile(content, { format, ...options })) !== undefined) ++read;
      }),
      tries(500),
    );
    expect(read).toBeGreaterThan(0);
  },
  PATIENCE_MS,
);

test(
  'jsonl: values of any kind',
  async () => {
    const value = fc.oneof(
      fc.json(),
      fc
        .record({ text1: fc.oneof(text, fc.jsonValue()), text2: text, score: fc.oneof(fc.double(), fc.jsonValue()) })
        .map((one) => JSON.stringify(one)),
      fc.constantFrom(
        '{"__proto__":{"text1":"a"},"text2":"b","score":1}',
        '[1,2,3]',
        '{',
        `${'['.repeat(20_000)}`,
        '{"text1":"a","text1":"b"}',
      ),
      fc.string({ unit: 'binary' }),
    );
    const columns = fc.constantFrom(
      {},
      { text1: 0, text2: 1, score: 2 },
      { text1: '__proto__', text2: 'constructor', score: 'a' },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 5 }), columns, async (lines, chosen) => {
        await readHostile(lines.join('\n'), { format: 'jsonl', columns: chosen });
      }),
      tries(500),
    );
  },
  PATIENCE_MS,
);

/** Written by pyarrow: two rows of text1, text2 and score, with dictionaries and Snappy. */
const PARQUET = readFileSync(join(__dirname, 'fixtures', 'two-rows.parquet'));

/** In plain Node: the reader is an ES module, which jest does not import. */
test(
  'parquet: a file that was damaged',
  async () => {
    const files = temporaryFolder();
    const inputs = [PARQUET, ...fc.sample(damaged(PARQUET), tries(200) as fc.Parameters<Buffer>)];
    inputs.forEach((bytes, i) => writeFileSync(join(files, `${i}`.padStart(6, '0')), bytes));
    const program = join(__dirname, 'programs', 'read-rows.cjs');
    const { stdout } = await promisify(execFile)(process.execPath, [program, files, 'parquet'], {
      timeout: PATIENCE_MS - 10_000,
      killSignal: 'SIGKILL',
      maxBuffer: 1 << 28,
    });
    const outcomes = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Outcome);
    expect(outcomes).toHaveLength(inputs.length);
    expect(outcomes[0]!.rows).toEqual([
      { text1: 'the old mill', text2: 'the quiet mill', score: 1 },
      { text1: 'rain', text2: 'bread', score: 0.25 },
    ]);
    for (const { name, rows, error, file, message } of outcomes) {
      if (rows === undefined)
        expect({ name, error, file, message }).toEqual({ name, error: 'InvalidArgumentError', file: name, message });
      else
        for (const { text1, text2, score } of rows)
          expect([typeof text1, typeof text2, score >= 0 && score <= 1]).toEqual(['string', 'string', true]);
    }
    expect(outcomes.filter(({ error }) => error !== undefined).length).toBeGreaterThan(20);
  },
  PATIENCE_MS,
);

interface Outcome {
  name: string;
  rows?: { text1: unknown; text2: unknown; score: number }[];
  error?: string;
  file?: string;
  message?: string;
}
