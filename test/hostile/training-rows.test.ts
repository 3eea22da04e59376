import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { formWords, widths } from '../../lib/data/form';
import { listRows, textRows, areTextRows } from '../../lib/data/lists';
import { collectLists, collectRows, type CollectedData } from '../../lib/data/source';
import { InvalidArgumentError } from '../../lib/system/errors';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { changedJson, PATIENCE_MS, tries } from './property';

/** Rows of any form with anything in them: refused with an InvalidArgumentError, or rows of texts with finite numbers. */

afterAll(removeFolders);
const folder = temporaryFolder();
const never = new AbortController().signal;

function expectSound({ form, rows, labels, labelWidth, facts }: CollectedData): void {
  expect(Object.keys(formWords)).toContain(form);
  expect(rows.length).toBeGreaterThan(0);
  expect(labels).toHaveLength(rows.length * labelWidth);
  expect(Array.from(labels).every(Number.isFinite)).toBe(true);
  expect(rows.flat().every((text) => typeof text === 'string')).toBe(true);
  expect(widths(rows).least).toBeGreaterThanOrEqual(form === 'classes' || form === 'vectors' ? 1 : 2);
  expect(facts.skipped).toBeGreaterThanOrEqual(0);
}

async function expectReadOrRefused(work: () => Promise<CollectedData>, file?: string): Promise<boolean> {
  try {
    expectSound(await work());
    return true;
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    if (file !== undefined) expect([file, undefined]).toContain(error.file);
    expect(error.message.length).toBeGreaterThan(20);
    return false;
  }
}

const forms: Record<string, Record<string, unknown>[]> = {
  ranking: [
    { anchor: 'a', positive: 'b', negative_1: 'c', negative_2: 'd' },
    { anchor: 'e', positive: 'f', negative_1: 'g' },
    { anchor: 'h', positive: 'i', negative_1: null },
  ],
  flagEmbedding: [
    { query: 'q', pos: ['a', 'b'], neg: ['c'], pos_scores: [1, 2], neg_scores: [3] },
    { query: 'r', pos: ['d'], neg: ['e'], pos_scores: [1], neg_scores: [0] },
  ],
  classes: [
    { text: 'a', label: 'x' },
    { text: 'b', label: 7 },
    { text: 'c', label: true },
  ],
  vectors: [
    { text: 'a', vector: [1, 2] },
    { text: 'b', vector: [3, 4] },
  ],
  candidates: [
    { query: 'a', candidates: ['b', 'c'], scores: [1, 2] },
    { query: 'd', candidates: ['e', 'f'], scores: [0.5, 2] },
  ],
  nli: [
    { premise: 'a', hypothesis: 'b', label: 0 },
    { premise: 'a', hypothesis: 'c', label: 2 },
    { premise: 'd', hypothesis: 'e', label: 1 },
  ],
  labels: [
    { question1: 'a', question2: 'b', is_duplicate: 'duplicate' },
    { question1: 'c', question2: 'd', is_duplicate: 'not duplicate' },
  ],
};

test.each(Object.entries(forms))(
  '%s with anything in place of anything, as JSON Lines, a JSON list and objects',
  async (_, rows) => {
    const outcomes = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(
        changedJson(rows),
        fc.constantFrom('refuse' as const, 'skip' as const),
        async (changed, onBadRow) => {
          const options = { file: undefined, onBadRow };
          const list = Array.isArray(changed) ? (changed as unknown[]) : [changed];
          const [lines, json] = [join(folder, 'x.jsonl'), join(folder, 'x.json')];
          writeFileSync(lines, list.map((row) => JSON.stringify(row) ?? '').join('\n'));
          writeFileSync(json, JSON.stringify(changed) ?? '');
          outcomes.add(await expectReadOrRefused(() => collectRows(lines, options, never), lines));
          outcomes.add(await expectReadOrRefused(() => collectRows(json, options, never), json));
          outcomes.add(await expectReadOrRefused(() => collectRows(list as never, options, never)));
        },
      ),
      tries(120),
    );
    // Some are read and some are refused, or nothing was tried.
    expect(outcomes).toEqual(new Set([true, false]));
  },
  PATIENCE_MS,
);

test(
  'lists of anything',
  async () => {
    const text = fc.oneof(
      { weight: 5, arbitrary: fc.string({ maxLength: 3 }) },
      fc.constantFrom<unknown>(null, 3, [], {}),
    );
    const row = fc.oneof(text, fc.array(text, { maxLength: 4 }));
    const number = fc.oneof(
      fc.constantFrom<unknown>(0, 1, 0.5, 'x', null, Number.NaN, Infinity),
      fc.string({ maxLength: 2 }),
    );
    const label = fc.oneof(number, fc.array(number, { maxLength: 3 }));
    const lists = fc.tuple(fc.array(row, { maxLength: 5 }), fc.option(fc.array(label, { maxLength: 5 })));
    await fc.assert(
      fc.asyncProperty(lists, fc.constantFrom('refuse' as const, 'skip' as const), async ([rows, labels], onBadRow) => {
        await expectReadOrRefused(async () => {
          const read = labels === null && areTextRows(rows) ? textRows(rows) : listRows(rows, labels);
          return collectLists(read, onBadRow, never);
        });
      }),
      tries(600),
    );
  },
  PATIENCE_MS,
);
