import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse } from 'csv-parse/sync';
import { readRows } from '../../../lib/data/read';
import { runModule } from './run-module';

const FOLDER = resolve(__dirname, '../../../scripts/quickstart');
const FILE = resolve(FOLDER, 'pairs.csv');
const DATA = readFileSync(resolve(FOLDER, 'DATA.md'), 'utf8');

interface Row {
  topic: string;
  text1: string;
  text2: string;
  score: string;
}
const rows = parse(readFileSync(FILE, 'utf8'), { columns: true }) as Row[];
const texts = rows.flatMap(({ text1, text2 }) => [text1, text2]);
const words = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+(?:['’][\p{L}]+)*/gu) ?? [];

interface Sides {
  training: Row[];
  heldOut: Row[];
}
const { training, heldOut } = runModule('data.mjs', 'console.log(JSON.stringify(readPairs()))') as Sides;

test('is large enough, and both sides of the split are', () => {
  expect(rows.length).toBeGreaterThanOrEqual(320);
  expect(training.length).toBeGreaterThanOrEqual(260);
  expect(heldOut.length).toBeGreaterThanOrEqual(70);
  expect(training.length + heldOut.length).toBe(rows.length);
});

test('is read by the library as any data file is', async () => {
  const read = await readRows(FILE);
  expect(read).toEqual(rows.map(({ text1, text2, score }) => ({ text1, text2, score: Number(score) })));
});

test('has scores of the rubric only, each of them on both sides', () => {
  const rubric = ['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'];
  expect([...new Set(rows.map(({ score }) => score))].sort()).toEqual(rubric);
  for (const side of [training, heldOut]) expect(new Set(side.map(({ score }) => Number(score))).size).toBe(6);
});

test('is split by topic', () => {
  const topics = (side: Row[]) => new Set(side.map(({ topic }) => topic));
  const both = [...topics(training)].filter((topic) => topics(heldOut).has(topic));
  expect(both).toEqual([]);
  expect(topics(training).size + topics(heldOut).size).toBe(16);
  expect(topics(heldOut).size).toBe(4);
});

test('has no text twice, whatever its case and punctuation', () => {
  const seen = new Map<string, string>();
  const twice = texts.filter((text) => {
    const plain = words(text).join(' ');
    if (seen.has(plain)) return true;
    seen.set(plain, text);
    return false;
  });
  expect(twice).toEqual([]);
});

test('has no two rows that say the same with another word', () => {
  const sets = rows.map(({ text1, text2 }) => [new Set(words(text1)), new Set(words(text2))] as const);
  const jaccard = (a: Set<string>, b: Set<string>) => {
    const shared = [...a].filter((word) => b.has(word)).length;
    return shared / (a.size + b.size - shared);
  };
  const near: string[] = [];
  sets.forEach((a, i) =>
    sets.slice(0, i).forEach((b, j) => {
      const straight = Math.min(jaccard(a[0], b[0]), jaccard(a[1], b[1]));
      const crossed = Math.min(jaccard(a[0], b[1]), jaccard(a[1], b[0]));
      if (Math.max(straight, crossed) > 0.4) near.push(`${rows[i]!.text1} | ${rows[j]!.text1}`);
    }),
  );
  expect(near).toEqual([]);
});

test('has texts without stray space or control characters', () => {
  expect(texts.filter((text) => text !== text.trim() || /[\p{Cc}]|\s{2}/u.test(text) || text === '')).toEqual([]);
});

test('is described with the right numbers and with examples that are in it', () => {
  expect(DATA).toContain(`${rows.length} pairs`);
  const topicsOf = (side: Row[]) => [...new Set(side.map(({ topic }) => topic))].join(', ');
  expect(DATA).toContain(`| training | ${topicsOf(training)} | ${training.length} |`);
  expect(DATA).toContain(`| held out | ${topicsOf(heldOut)} | ${heldOut.length} |`);
  const rubric = [...DATA.matchAll(/^\| (\d\.\d) \|.*\| "(.+)" \/ "(.+)" \|$/gm)];
  expect(rubric).toHaveLength(6);
  for (const [, score, text1, text2] of rubric) {
    expect(rows).toContainEqual(expect.objectContaining({ score, text1, text2 }));
  }
});
