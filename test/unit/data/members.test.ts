import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReadOptions } from '../../../lib/data/read-options';
import { Members, valueAt } from '../../../lib/data/members';
import { collectRows } from '../../../lib/data/source';
import type { DataSource, TrainingRow } from '../../../lib/data/training-row';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** Rows with members in members: columns by their paths. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-members-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const FIXTURES = join(__dirname, 'fixtures');
const never = new AbortController().signal;
const collect = (source: DataSource, file?: ReadOptions, onBadRow: 'refuse' | 'skip' = 'refuse') => {
  // As it is built: Parquet is decoded in a thread of its own, which jest cannot compile.
  const built = () => require('../../../dist/data/source.js') as { collectRows: typeof collectRows };
  const read = typeof source === 'string' && source.endsWith('.parquet') ? built().collectRows : collectRows;
  return read(source, { file, onBadRow }, never);
};

/** As MS MARCO and others on the hub have them. */
const marco = [
  {
    query_id: 1,
    query: 'who sells bread',
    passages: [
      { text: 'the miller', is_selected: 1 },
      { text: 'the harbour', is_selected: 0 },
      { text: 'a baker', is_selected: 1 },
    ],
  },
  { query_id: 2, query: 'is it raining', passages: [{ text: 'red kite', is_selected: 0 }] },
  {
    query_id: 3,
    query: 'where are the boats',
    passages: [
      { text: 'in the sun', is_selected: 0 },
      { text: 'moored', is_selected: 1 },
    ],
  },
];
const selected = [
  ['who sells bread', 'the miller', 'the harbour'],
  ['who sells bread', 'a baker', 'the harbour'],
  ['where are the boats', 'moored', 'in the sun'],
];
const translations = [{ translation: { en: 'rain', fr: 'pluie' } }, { translation: { en: 'bread', fr: 'pain' } }];

test('the columns of a record are the paths to what has no members', () => {
  const first = { id: 3, a: { b: { c: 'x' }, d: ['y'] }, list: [null, { e: 1, f: { g: 2 } }], empty: {}, none: [] };
  const members = new Members(first);
  expect(members.names).toEqual(['id', 'a.b.c', 'a.d', 'list.e', 'list.f.g', 'empty', 'none']);
  expect(members.names.map((_, i) => members.at(first, i))).toEqual([3, 'x', ['y'], [null, 1], [null, 2], {}, []]);
  expect(members.at({ a: null }, 1)).toBeNull();
  expect(members.at({ a: { b: 'no record' } }, 1)).toBeNull();
  expect(members.at({}, 1)).toBeUndefined();
  expect(valueAt([[{ x: 1 }], [{ x: 2 }, {}]], ['x'])).toEqual([[1], [2, null]]);
});

function lines(name: string, rows: readonly object[], asList = false): string {
  const file = join(folder, name);
  writeFileSync(file, asList ? JSON.stringify(rows) : rows.map((row) => JSON.stringify(row)).join('\n'));
  return file;
}

const sources: [string, () => DataSource, () => DataSource][] = [
  ['objects', () => marco as TrainingRow[], () => translations],
  ['JSON Lines', () => lines('marco.jsonl', marco), () => lines('translations.jsonl', translations)],
  ['a JSON list', () => lines('marco.json', marco, true), () => lines('translations.json', translations, true)],
  ['Parquet', () => join(FIXTURES, 'marco.parquet'), () => join(FIXTURES, 'translations.parquet')],
];

describe.each(sources)('%s', (_, passages, pairs) => {
  test('a query with passages of which some are selected', async () => {
    const { form, rows, facts } = await collect(passages());
    expect({ form, rows }).toEqual({ form: 'triplets', rows: selected });
    expect(facts.columns).toEqual(['query', 'passages.text', 'passages.is_selected']);
    expect(facts.notes.join(' ')).toMatch(/1 row has no text that belongs to the query and is not used/);
  });

  test('the two members of a translation are a pair', async () => {
    const { form, rows, facts } = await collect(pairs());
    expect({ form, rows }).toEqual({
      form: 'positive-pairs',
      rows: [
        ['rain', 'pluie'],
        ['bread', 'pain'],
      ],
    });
    expect(facts.columns).toEqual(['translation.en', 'translation.fr']);
  });
});

test.each([
  ['JSON Lines', () => lines('asked.jsonl', marco)],
  ['Parquet', () => join(FIXTURES, 'marco.parquet')],
])('columns are named by their paths: %s', async (_, file) => {
  const { form, rows } = await collect(file(), {
    columns: { anchor: 'query', candidates: 'passages.text', label: 'passages.is_selected' },
  });
  expect({ form, rows }).toEqual({ form: 'triplets', rows: selected });
  const all = await collect(file(), { columns: { anchor: 'query', positive: 'passages.text' } });
  expect(all.rows).toHaveLength(6);
  await expect(collect(file(), { columns: { anchor: 'query', positive: 'passages.txt' } })).rejects.toThrow(
    /no column "passages\.txt".*Did you mean .*passages\.text/,
  );
});

test('Parquet: lists of lists, lists of numbers in members, a map, missing members; what is read once', async () => {
  // nested.parquet: see generate.py
  const file = join(FIXTURES, 'nested.parquet');
  const { rows, form } = await collect(file, { columns: { anchor: 'q', positive: 'doc.title', negative: 'wrong' } });
  expect({ rows, form }).toEqual({
    form: 'triplets',
    rows: [
      ['one', 'first', 'a', 'b', 'c'],
      ['two', 'second'],
      ['three', 'third', 'd'],
    ],
  });
  const vectors = await collect(file, { columns: { text: 'doc.title', vector: 'doc.made.vector' } });
  expect(Array.from(vectors.labels)).toEqual([1, 0, 0.5, 0.25, 0, 1]);
});

test('marks that do not fit their texts are refused by row, or left out', async () => {
  const bad = [marco[0]!, { ...marco[2]!, passages: [{ text: 'x', is_selected: 2 }] }];
  const error: unknown = await collect(bad as TrainingRow[]).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({ code: 'ERR_LABEL', row: 1 });
  expect((error as Error).message).toMatch(
    /passages\.is_selected must have a 0 or a 1 for each of the 1 text in passages\.text/,
  );
  const { rows, facts } = await collect(bad as TrainingRow[], undefined, 'skip');
  expect(rows).toHaveLength(2);
  expect(facts.skipped).toBe(1);
});
