import { join } from 'node:path';
import { balance, cosineSimilarity, AbortError, type FinetuneOptions, type TextPair } from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { CASES } from '../parity/cases';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { bits, fixture, liveObjects, PROBE_TEXTS, relativeDistance, useModels } from './models';
import { lists, scoredRows } from './rows';
import { finish, rejection } from './runs';

/** Whatever a string holds is a text: it is embedded and trained on, and does no harm to the texts beside it. */

const models = useModels();

afterAll(removeFolders);

const ODD_TEXTS: Record<string, string> = {
  empty: '',
  spaces: '   ',
  'line ends and tabs': '\r\n\t\v\f\u0085\u2028\u00a0',
  emoji: '🙂🎉👩‍👩‍👧‍👦🏳️‍🌈',
  '100,000 characters without a space': 'x'.repeat(100_000),
  '100,000 characters of words': 'the river '.repeat(10_000),
  'a lone high surrogate': '\ud83d',
  'a lone low surrogate': '\udc00',
  'surrogates in the wrong order': 'a\udc00\ud83db',
  'a zero character': 'the\0river',
  'control characters': '\u0001\u0008\u001b[31m\u007f',
  'a byte order mark': '\ufeffthe river',
  'combining marks': `e${'\u0301'.repeat(300)}`,
  'right to left': 'שלום עליכם مرحبا',
  'names of special tokens': '[CLS] [SEP] [PAD] [MASK] <s> </s> <pad> <mask>',
};
const PLAIN_TEXTS = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers who built the old bridge'];
/** Of a vector's length: products of matrices are rounded in another order where more is computed at once. */
const TOLERANCE = 1e-6;

describe.each(CASES)('%s', (name) => {
  test('each odd text has a vector of finite numbers, and the texts beside it keep theirs', async () => {
    const model = models.open(fixture(name));
    const { dimension } = await model.info();
    const alone = await Promise.all(PLAIN_TEXTS.map((text) => model.embed(text)));
    for (const odd of Object.values(ODD_TEXTS)) {
      const [first, found, ...rest] = await model.embed([PLAIN_TEXTS[0]!, odd, ...PLAIN_TEXTS.slice(1)]);
      expect(found!.length).toBe(dimension);
      expect(found!.every(Number.isFinite)).toBe(true);
      expect(found!.some((value) => value !== 0)).toBe(true);
      [first!, ...rest].forEach((vector, i) =>
        expect(relativeDistance(vector, alone[i]!)).toBeLessThanOrEqual(TOLERANCE),
      );
      expect(relativeDistance(await model.embed(odd), found!)).toBeLessThanOrEqual(TOLERANCE);
    }
  });

  test('all odd texts at once, each as it is alone', async () => {
    const model = models.open(fixture(name));
    const texts = Object.values(ODD_TEXTS).flatMap((odd) => [odd, ...PLAIN_TEXTS]);
    const together = await model.embed(texts);
    for (const [i, text] of texts.entries()) {
      expect(relativeDistance(together[i]!, await model.embed(text))).toBeLessThanOrEqual(TOLERANCE);
    }
  });

  test('a model is trained on odd texts and is sound afterwards', async () => {
    const model = models.open(fixture(name));
    const rows = [
      ...scoredRows(24),
      ...Object.values(ODD_TEXTS).flatMap((odd) => [
        { text1: odd, text2: PLAIN_TEXTS[0]!, score: 0 },
        { text1: PLAIN_TEXTS[1]!, text2: odd, score: 0 },
        { text1: odd, text2: odd, score: 1 },
      ]),
    ];
    const { report, of } = await finish(model, rows, {
      epochs: 2,
      earlyStopping: false,
      learningRate: 1e-3,
      maxGradientNorm: 1,
    });
    expect(of('data')).toMatchObject([
      { rows: 24 + 3 * Object.keys(ODD_TEXTS).length, longest: 18, maxInputLength: 18 },
    ]);
    for (const step of of('step')) expect([step.loss, step.gradientNorm].every(Number.isFinite)).toBe(true);
    for (const { metrics } of of('validation')) expect(Number.isFinite(metrics.loss)).toBe(true);
    expect(report.epochs).toHaveLength(2);
    for (const vector of await model.embed([...Object.values(ODD_TEXTS), ...PLAIN_TEXTS])) {
      expect(vector.every(Number.isFinite)).toBe(true);
    }
  });
});

test('odd texts in a pair change no other pair: the losses of the other steps are the same', async () => {
  // One pair a step, in the data's order and without an update that counts: each loss is its pair's alone.
  const options: FinetuneOptions = {
    batchSize: 1,
    effectiveBatchSize: 1,
    validationSplit: 0,
    epochs: 1,
    shuffle: false,
    dropout: 0,
    learningRate: 1e-30,
  };
  const rows = scoredRows(6);
  const odd = rows.flatMap((row) => [row, { text1: '', text2: '\ud83d', score: 0.5 }]);
  const plain = await finish(models.open(fixture('bert-dense')), rows, options);
  const mixed = await finish(models.open(fixture('bert-dense')), odd, options);
  expect(
    mixed
      .of('step')
      .filter((_, i) => i % 2 === 0)
      .map(({ loss }) => loss),
  ).toEqual(plain.of('step').map(({ loss }) => loss));
  const together = await finish(models.open(fixture('bert-dense')), odd, {
    ...options,
    batchSize: 12,
    effectiveBatchSize: 12,
  });
  const mean = mixed.of('step').reduce((sum, { loss }) => sum + loss / 12, 0);
  expect(together.of('step')[0]!.loss).toBeCloseTo(mean, 6);
});

describe('embed', () => {
  test('a list of no texts, a text, a list in order', async () => {
    const model = models.open(fixture('bert-mean'));
    expect(await model.embed([])).toEqual([]);
    const one = await model.embed(PROBE_TEXTS[0]!);
    expect(Object.prototype.toString.call(one)).toBe('[object Float32Array]');
    expect(one).toHaveLength(32);
    const list = await model.embed(PROBE_TEXTS);
    expect(Array.isArray(list)).toBe(true);
    const reversed = await model.embed([...PROBE_TEXTS].reverse());
    expect(list).toHaveLength(PROBE_TEXTS.length);
    for (const [i, text] of PROBE_TEXTS.entries()) {
      const alone = await model.embed(text);
      expect(relativeDistance(list[i]!, alone)).toBeLessThanOrEqual(TOLERANCE);
      expect(relativeDistance(reversed.at(-1 - i)!, alone)).toBeLessThanOrEqual(TOLERANCE);
      for (const other of list.slice(i + 1)) expect(relativeDistance(other, alone)).toBeGreaterThan(0.01);
    }
    expect(await model.embed([PROBE_TEXTS[0]!])).toHaveLength(1);
  });

  test('more texts than are computed at once, and each vector has memory of its own', async () => {
    const model = models.open(fixture('distilbert-dense'));
    const texts = Array.from({ length: 1300 }, (_, i) => PROBE_TEXTS[i % 3]!);
    const vectors = await model.embed(texts);
    expect(vectors).toHaveLength(1300);
    const alone = await model.embed(PROBE_TEXTS.slice(0, 3));
    vectors.forEach((vector, i) => expect(relativeDistance(vector, alone[i % 3]!)).toBeLessThanOrEqual(TOLERANCE));
    expect(new Set(vectors.map(({ buffer }) => buffer)).size).toBe(1300);
    for (const vector of vectors) expect(vector.buffer.byteLength).toBe(vector.byteLength);
  });

  test("calls overlap, on one model and on several: each has its own texts' vectors", async () => {
    const opened = [models.open(fixture('bert-mean')), models.open(fixture('roberta-dense'))];
    const texts = ['the', 'mill', 'the mill', 'old mill', 'a']; // few tokens to every tokenizer
    const expected = await Promise.all(opened.map((model) => Promise.all(texts.map((text) => model.embed(text)))));
    // Lists of other lengths, more texts than are computed at once, and two limits; a limit of 20 cuts none of them.
    const calls = Array.from({ length: 60 }, (_, i) => ({
      which: i % 2,
      from: i % texts.length,
      count: 1 + ((i * 7) % 40),
      ...(i % 3 === 0 && { maxInputLength: 20 }),
    }));
    const found = await Promise.all(
      calls.map(({ which, from, count, ...options }) =>
        opened[which]!.embed(
          Array.from({ length: count }, (_, i) => texts[(from + i) % texts.length]!),
          options,
        ),
      ),
    );
    calls.forEach(({ which, from, count }, call) => {
      expect(found[call]).toHaveLength(count);
      found[call]!.forEach((vector, i) =>
        expect(relativeDistance(vector, expected[which]![(from + i) % texts.length]!)).toBeLessThanOrEqual(TOLERANCE),
      );
    });
  });

  test('calls of different limits overlap', async () => {
    const model = models.open(fixture('bert-mean'));
    const text = 'the mill '.repeat(20);
    const limits = [3, 5, 8, 13, 18, 20];
    const expected: Float32Array[] = [];
    for (const maxInputLength of limits) expected.push(await model.embed(text, { maxInputLength }));
    const found = await Promise.all(
      [...limits, ...limits].map((maxInputLength) => model.embed(text, { maxInputLength })),
    );
    found.forEach((vector, i) =>
      expected.forEach((other, k) => {
        const distance = relativeDistance(vector, other);
        if (k === i % limits.length) expect(distance).toBeLessThanOrEqual(TOLERANCE);
        else expect(distance).toBeGreaterThan(1e-3);
      }),
    );
  });

  test('first uses overlap: the model is loaded once', async () => {
    const live = await liveObjects();
    const model = models.open(fixture('bert-mean'));
    const [a, , b, info] = await Promise.all([
      model.embed('a mill'),
      model.load(),
      model.embed('a mill'),
      model.info(),
    ]);
    expect(relativeDistance(a, b)).toBeLessThanOrEqual(TOLERANCE);
    expect(info).toMatchObject({ architecture: 'bert', dimension: 32, maxInputLength: 18, positions: 20, id: 'model' });
    expect(await liveObjects()).toEqual({ ...live, models: live.models + 1 });
  });

  test('the list may change after the call', async () => {
    const model = models.open(fixture('bert-mean'));
    const expected = bits(await model.embed(PROBE_TEXTS));
    const texts = [...PROBE_TEXTS];
    const promise = model.embed(texts);
    texts.fill('changed');
    texts.length = 1;
    expect(bits(await promise) === expected).toBe(true);
  });

  test("maxInputLength cuts texts, and may go beyond the folder's limit to the positions", async () => {
    const model = models.open(fixture('bert-mean'));
    const long = 'the mill '.repeat(40); // each word is a token
    const words = (count: number) => Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'the' : 'mill')).join(' ');
    for (const [maxInputLength, kept] of [
      [3, 1],
      [7, 5],
      [18, 16],
      [20, 18],
    ] as const) {
      const cut = await model.embed(long, { maxInputLength });
      const same = await model.embed(words(kept), { maxInputLength: 20 });
      expect(bits([cut]) === bits([same])).toBe(true);
      const more = await model.embed(words(kept + 1), {
        maxInputLength: maxInputLength + (maxInputLength < 20 ? 1 : 0),
      });
      if (maxInputLength < 20) expect(bits([cut]) === bits([more])).toBe(false);
    }
    expect(bits([await model.embed(long)]) === bits([await model.embed(words(16))])).toBe(true);
    expect(bits(await model.embed(['mill', long], { maxInputLength: 3 }))).toBe(
      bits(await model.embed(['mill', 'the'], { maxInputLength: 3 })),
    );
  });

  test('undefined options count as left out', async () => {
    const model = models.open(fixture('bert-mean'), { precision: undefined, signal: undefined } as never);
    const expected = bits(await model.embed(PROBE_TEXTS));
    expect(
      bits(await model.embed(PROBE_TEXTS, { maxInputLength: undefined, signal: undefined } as never)) === expected,
    ).toBe(true);
  });

  test('a signal stops it, and other calls go on', async () => {
    const model = models.open(fixture('bert-mean'));
    const expected = await model.embed('a mill');
    const controller = new AbortController();
    const texts = Array.from({ length: 20_000 }, () => 'the river');
    const stopped = rejection(model.embed(texts, { signal: controller.signal }));
    const other = model.embed('a mill');
    controller.abort('enough');
    const error = await stopped;
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ name: 'AbortError', code: 'ERR_ABORTED', cause: 'enough' });
    expect(relativeDistance(await other, expected)).toBeLessThanOrEqual(TOLERANCE);
    expect(await rejection(model.embed('a', { signal: controller.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
    expect(bits([await model.embed('a mill')]) === bits([expected])).toBe(true);
  });

  test('a signal stops it in the middle', async () => {
    const addon = await loadEngine();
    const model = models.open(fixture('bert-mean'));
    await model.load();
    const controller = new AbortController();
    const original = addon.embed;
    const embed = jest.spyOn(addon, 'embed').mockImplementation((...given) => {
      controller.abort();
      return original(...given);
    });
    try {
      const texts = Array.from({ length: 20_000 }, () => 'the river');
      expect(await rejection(model.embed(texts, { signal: controller.signal }))).toMatchObject({ code: 'ERR_ABORTED' });
      // The piece that runs, and at most the one that was tokenised behind it; 20,000 texts are far more.
      expect(embed.mock.calls.length).toBeLessThanOrEqual(2);
    } finally {
      embed.mockRestore();
    }
  });

  test.each(['bf16', 'int8'] as const)(
    '%s gives nearly the same directions, and is another computation',
    async (precision) => {
      const [exact, rounded] = [models.open(fixture('bert-mean')), models.open(fixture('bert-mean'), { precision })];
      const a = await exact.embed(PROBE_TEXTS);
      if (precision === 'int8' && !(await loadEngine()).info().int8) {
        const live = await liveObjects();
        const error = await rejection(rounded.embed(PROBE_TEXTS));
        expect(error).toMatchObject({ name: 'InvalidArgumentError', code: 'ERR_INVALID_OPTION' });
        expect(await liveObjects()).toEqual(live);
        return;
      }
      const b = await rounded.embed(PROBE_TEXTS);
      expect(bits(a) === bits(b)).toBe(false);
      a.forEach((vector, i) => expect(cosineSimilarity(vector, b[i]!)).toBeGreaterThan(0.99));
    },
  );
});

describe('finetune', () => {
  const quick: FinetuneOptions = { epochs: 1, validationSplit: 0, precision: 'fp32' };

  test('scores may be a typed array, and the lists may change after the call', async () => {
    const { pairs, scores } = lists(scoredRows(10));
    const plain = await models.open(fixture('bert-mean')).finetune(pairs, scores, quick);
    const typed = Float64Array.from(scores);
    const changing = pairs.map(([a, b]): [string, string] => [a, b]);
    const run = models.open(fixture('bert-mean')).finetune(changing, typed, quick);
    typed.fill(NaN);
    changing.forEach((pair) => pair.fill(''));
    changing.length = 0;
    expect((await run).epochs[0]!.trainingLoss).toBe(plain.epochs[0]!.trainingLoss);
    const again = pairs.map(([a, b]): [string, string] => [a, b]);
    const reported = models
      .open(fixture('bert-mean'))
      .finetune(again, scores, { ...quick, report: join(temporaryFolder(), 'run.html') });
    again.forEach((pair) => pair.fill(''));
    expect((await reported).epochs[0]!.trainingLoss).toBe(plain.epochs[0]!.trainingLoss);
  });

  test('rows, several sets and rows to keep may change after the call', async () => {
    const { pairs, scores } = lists(scoredRows(10));
    const copied = () => pairs.map(([a, b]): [string, string] => [a, b]);
    const objects = () => copied().map(([text1, text2], i) => ({ text1, text2, score: scores[i]! }));
    const keepLists = () => ({ data: copied(), labels: [...scores] });
    const run = async (data: unknown, more: FinetuneOptions, change: () => void) => {
      const running = models.open(fixture('bert-mean')).finetune(data as never, { ...quick, ...more });
      change();
      const { epochs, kept } = await running;
      return { loss: epochs[0]!.trainingLoss, kept };
    };
    const nothing = (): void => undefined;
    const ruin = (rows: { text1: string }[]) => {
      for (const row of rows) row.text1 = '';
      rows.length = 1;
    };
    const rows = objects();
    expect(await run(rows, {}, () => ruin(rows))).toEqual(await run(objects(), {}, nothing));
    const sets = { one: { data: copied(), labels: [...scores] }, other: objects() };
    const changeSets = (): void => {
      sets.one.data.forEach((pair) => pair.fill(''));
      sets.one.labels.fill(0);
      ruin(sets.other);
    };
    const plainSets = { one: { data: copied(), labels: [...scores] }, other: objects() };
    const later = { other: sets.other, one: sets.one };
    expect(await run(later, {}, changeSets)).toEqual(
      await run({ other: plainSets.other, one: plainSets.one }, {}, nothing),
    );
    const kept = await run(objects(), { keep: keepLists() }, nothing);
    expect(kept.kept!.rows).toBe(10);
    const keep = keepLists();
    const changeKeep = (): void => {
      keep.data.forEach((pair) => pair.fill(''));
      keep.labels.fill(1);
    };
    expect(await run(objects(), { keep }, changeKeep)).toEqual(kept);
    const keepRows = objects();
    expect(await run(objects(), { keep: keepRows }, () => ruin(keepRows))).toEqual(kept);
  });

  test('the scores 0 and 1 themselves, one pair, equal texts, many rows alike', async () => {
    const model = models.open(fixture('bert-mean'));
    const sameTexts: TextPair[] = [['the river', 'the river']];
    const report = await model.finetune(sameTexts, [1], { ...quick, dropout: 0 });
    expect(report).toMatchObject({
      rows: { training: 1, validation: 0 },
      steps: 1,
      batchSize: 1,
      before: null,
      after: null,
    });
    expect(report.epochs[0]!.trainingLoss).toBeCloseTo(0, 10);
    const alike = Array.from({ length: 40 }, () => sameTexts[0]!);
    const many = await model.finetune(
      alike,
      alike.map(() => 0),
      { recipe: 'notebook', epochs: 1, allowConstantScores: true },
    );
    expect(many.before).toMatchObject({ pearson: null, spearman: null, averagePrecision: null });
    expect(many.before!.loss).toBeCloseTo(1, 5);
  });
});

test('balance: equally many rows of each class, in order', () => {
  const rows = [...scoredRows(9), { text1: 'a', text2: 'b', score: 1 }];
  const { pairs, scores } = balance(rows);
  expect(scores.filter((score) => score === 1)).toHaveLength(4);
  expect(scores.filter((score) => score === 0)).toHaveLength(4);
  expect(pairs).toHaveLength(8);
  expect(balance(rows, { perClass: 2, seed: 3 })).toEqual(balance(rows, { perClass: 2, seed: 3 }));
  expect(balance(rows, { perClass: 2 }).pairs).toHaveLength(4);
});

test('cosineSimilarity: a vector or a list on the right', () => {
  const [x, y] = [Float32Array.of(3, 0), [0, 2]];
  expect(cosineSimilarity(x, x)).toBe(1);
  expect(cosineSimilarity(x, y)).toBe(0);
  expect(cosineSimilarity(x, [-1, 0])).toBe(-1);
  expect(cosineSimilarity(x, [x, y, [1, 1]])).toEqual([1, 0, Math.SQRT1_2].map((value) => expect.closeTo(value, 12)));
  expect(cosineSimilarity(x, [])).toEqual([]);
  expect(cosineSimilarity(x, [0, 0])).toBe(0);
  expect(cosineSimilarity(x, [NaN, 0])).toBeNaN();
  expect(cosineSimilarity([1e100, 0], [1e100, 0])).toBe(1);
});
