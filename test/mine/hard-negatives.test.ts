import { collectRows } from '../../lib/data/source';
import type { TrainingRow } from '../../lib/data/training-row';
import { InvalidArgumentError } from '../../lib/system/errors';
import { mineHardNegatives } from '../../lib/mine/hard-negatives';
import type { MineOptions } from '../../lib/mine/options';

/** A model that is a table: the cosine with the anchor 'q' is what the name of a text says, in hundredths. */
const model = {
  embed: (texts: readonly string[]) =>
    Promise.resolve(
      texts.map((text) => {
        const angle = Math.acos(text.startsWith('q') ? 1 : Number(text.replace(/\D/g, '')) / 100);
        return Float32Array.of(Math.cos(angle), Math.sin(angle));
      }),
    ),
};
const corpus = ['t90', 't80', 't70', 't60', 't50', 't40', 't30', 't20'];
const data = [{ anchor: 'q', positive: 'p75' }];
const mine = (options: MineOptions, rows: object[] = data) =>
  mineHardNegatives(model, rows as typeof data, { corpus, ...options });
const negatives = async (options: MineOptions, rows?: object[]) =>
  (await mine(options, rows)).rows.map(({ negative }) => negative);

test('the most similar texts that are not the positive, as many as there are wanted', async () => {
  expect(await negatives({})).toEqual(['t90', 't80', 't70']);
  expect((await mine({ numNegatives: 2 })).rows).toEqual([
    { anchor: 'q', positive: 'p75', negative: 't90' },
    { anchor: 'q', positive: 'p75', negative: 't80' },
  ]);
});

test.each<[MineOptions, string[]]>([
  [{ rangeMin: 2 }, ['t70', 't60', 't50']],
  [{ rangeMin: 1, rangeMax: 4 }, ['t80', 't70', 't60']],
  [{ maxScore: 0.75 }, ['t70', 't60', 't50']],
  [{ minScore: 0.75 }, ['t90', 't80']],
  [{ absoluteMargin: 0 }, ['t70', 't60', 't50']],
  [{ absoluteMargin: 0.2 }, ['t50', 't40', 't30']],
  [{ relativeMargin: 0.1 }, ['t60', 't50', 't40']],
  [{ relativeMargin: 0.1, rangeMin: 1 }, ['t50', 't40', 't30']],
])('%j leaves %j', async (options, expected) => expect(await negatives(options)).toEqual(expected));

test('of equal similarities the text goes first that comes first; the worst of several positives counts', async () => {
  expect(await negatives({ corpus: ['t60', 'b60', 'a60', 'c60'] })).toEqual(['t60', 'b60', 'a60']);
  const rows = [
    { anchor: 'q', positive: 'p75' },
    { anchor: 'q', positive: 'p45' },
  ];
  const found = await mine({ absoluteMargin: 0, numNegatives: 2 }, rows);
  expect(found.rows).toEqual([
    { anchor: 'q', positive: 'p75', negative: 't40' },
    { anchor: 'q', positive: 'p75', negative: 't30' },
    { anchor: 'q', positive: 'p45', negative: 't40' },
    { anchor: 'q', positive: 'p45', negative: 't30' },
  ]);
});

test('formats of rows, with labels and with similarities', async () => {
  const near = (x: number) => expect.closeTo(x, 5) as number;
  const two = { numNegatives: 2 };
  expect((await mine({ ...two, outputScores: true })).rows[1]).toEqual({
    anchor: 'q',
    positive: 'p75',
    negative: 't80',
    scores: [near(0.75), near(0.8)],
  });
  expect((await mine({ ...two, outputFormat: 'n-tuple', outputScores: true })).rows).toEqual([
    { anchor: 'q', positive: 'p75', negative_1: 't90', negative_2: 't80', scores: [near(0.75), near(0.9), near(0.8)] },
  ]);
  expect((await mine({ ...two, outputFormat: 'labeled-pair' })).rows).toEqual([
    { anchor: 'q', positive: 'p75', label: 1 },
    { anchor: 'q', positive: 't90', label: 0 },
    { anchor: 'q', positive: 't80', label: 0 },
  ]);
  expect((await mine({ ...two, outputFormat: 'labeled-list' })).rows).toEqual([
    { query: 'q', candidates: ['p75', 't90', 't80'], labels: [1, 0, 0] },
  ]);
  expect((await mine({ ...two, outputFormat: 'labeled-list', outputScores: true })).rows).toEqual([
    { query: 'q', candidates: ['p75', 't90', 't80'], scores: [near(0.75), near(0.9), near(0.8)] },
  ]);
  expect((await mine({ numNegatives: 3, includePositives: true })).rows).toEqual([
    { anchor: 'q', positive: 'p75', negative_1: 't90', negative_2: 't80', negative_3: 'p75' },
  ]);
});

test('random is drawn from what may be, the same for the same seed', async () => {
  const options: MineOptions = { samplingStrategy: 'random', maxScore: 0.75, numNegatives: 3, rangeMax: 20 };
  const allowed = ['t70', 't60', 't50', 't40', 't30', 't20'];
  const draws = new Set<string>();
  for (let seed = 0; seed < 20; ++seed) {
    const drawn = (await negatives({ ...options, seed })) as string[];
    expect(drawn).toHaveLength(3);
    expect([...drawn].sort().reverse()).toEqual(drawn);
    expect(drawn.every((text) => allowed.includes(text))).toBe(true);
    expect(await negatives({ ...options, seed })).toEqual(drawn);
    draws.add(drawn.join());
  }
  expect(draws.size).toBeGreaterThan(5);
  expect(await negatives({ ...options, maxScore: 0.35 })).toEqual(['t30', 't20']);
});

test('what was dropped is told, and why', async () => {
  const { report } = await mine({ absoluteMargin: 0, maxScore: 0.65, minScore: 0.25, numNegatives: 4 });
  expect(report).toMatchObject({ pairs: 1, anchors: 1, corpus: 9, rangeMax: 41, rows: 4, missing: 0, possible: 4 });
  // 42 places, as sentence-transformers counts them; the margin's are none any more for what follows.
  expect(report.dropped).toEqual([
    { option: 'absoluteMargin', value: 0, count: 2, share: 2 / 42 },
    { option: 'maxScore', value: 0.65, count: 1, share: 1 / 40 },
    { option: 'minScore', value: 0.25, count: 1, share: 1 / 40 },
  ]);
  expect(report.negative).toMatchObject({ count: 4, mean: expect.closeTo(0.45, 5) as number });
  expect(report.difference.max).toBeCloseTo(0.45, 5);
  expect((await mine({ numNegatives: 9, minScore: 0.5 })).report).toMatchObject({ rows: 5, missing: 4, possible: 9 });
  expect((await mine({ numNegatives: 9, outputFormat: 'n-tuple' })).report).toMatchObject({ rows: 0, missing: 1 });
});

test('of rows with label 0/1 those with 1 are positives; negatives that are there are not used', async () => {
  const labelled = [
    { text1: 'q', text2: 'p75', score: 1 },
    { text1: 'q', text2: 't90', score: 0 },
  ];
  const found = await mine({}, labelled);
  expect(found.rows.map(({ negative }) => negative)).toEqual(['t90', 't80', 't70']);
  expect(found.report.notes).toContain('Of 2 pairs the 1 with label 1 are positives; the others were not used.');
  const triplets = await mine({}, [{ anchor: 'q', positive: 'p75', negative: 't20' }]);
  expect(triplets.report.notes).toContain('Negatives that rows have already were not used.');
});

test('what cannot be mined is refused', async () => {
  const refused = async (options: object, code: string, rows?: object[]) =>
    expect(mine(options, rows)).rejects.toMatchObject({ code });
  await refused({ rangeMin: 5, rangeMax: 6 }, 'ERR_INVALID_OPTION');
  await refused({ numNegatives: 0 }, 'ERR_INVALID_OPTION');
  await refused({ includePositives: true, outputFormat: 'triplet' }, 'ERR_INVALID_OPTION');
  await refused({ num_negatives: 3 }, 'ERR_UNKNOWN_OPTION');
  await refused({ corpus: 'a text' }, 'ERR_INVALID_OPTION');
  await refused({ corpus: ['a', 3] }, 'ERR_TEXT_TYPE');
  await refused({}, 'ERR_INVALID_ARGUMENT', [{ text1: 'q', text2: 'p75', score: 0.5 }]);
  await refused({}, 'ERR_EMPTY_DATA', [{ text1: 'q', text2: 'p75', score: 0 }]);
  await refused({ signal: AbortSignal.abort() }, 'ERR_ABORTED');
});

test('mined pairs with similarities are rows to train on; one below 0 is told, with what makes a score of it', async () => {
  const reading = (rows: unknown, file?: { scoreRange: [number, number] }) =>
    collectRows(rows as TrainingRow[], { file, onBadRow: 'refuse' }, new AbortController().signal);
  const pairs = { outputFormat: 'labeled-pair', outputScores: true, numNegatives: 1 } as const;
  const { rows } = await mine(pairs);
  const found = await reading(rows);
  expect({ ...found, labels: Array.from(found.labels) }).toMatchObject({
    form: 'scored-pairs',
    rows: [
      ['q', 'p75'],
      ['q', 't90'],
    ],
    labels: [expect.closeTo(0.75, 5), expect.closeTo(0.9, 5)],
  });
  const opposite = { embed: (texts: readonly string[]) => Promise.resolve(texts.map((t) => [t === 'far' ? -1 : 1])) };
  const below = (await mineHardNegatives(opposite, data, { ...pairs, corpus: ['far'] })).rows;
  expect(below[1]).toEqual({ anchor: 'q', positive: 'far', score: expect.closeTo(-1, 5) });
  const error: unknown = await reading(below).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect(error).toMatchObject({ code: 'ERR_SCORE_RANGE', row: 1 });
  expect((error as Error).message).toMatch(/is -1\. If the scores go further.*scoreRange: \[-1, 1\]/);
  expect(Array.from((await reading(below, { scoreRange: [-1, 1] })).labels)).toEqual([1, 0]);
});
