import { join } from 'node:path';
import {
  cosineSimilarity,
  type FinetuneEvent,
  type FinetuneOptions,
  type FinetuneReport,
  type ScoredRow,
  type TextVectorisation,
} from '../../lib';
import { splitRows } from '../../lib/finetune/split';
import { ADDON_VERSION, loadEngine } from '../../lib/engine/load';
import { CASES } from '../parity/cases';
import { readTensors, type Tensor } from '../parity/safetensors';
import { bits, fixture, PROBE_TEXTS, useModels } from './models';
import { asItIs, lists, scoredRows } from './rows';
import { finish, start, withoutTimes } from './runs';

const models = useModels();
const rows = scoredRows();
const graded = scoredRows(60, true);

/** Learns the rows well within some epochs. */
const learns: FinetuneOptions = {
  epochs: 6,
  learningRate: 1e-3,
  batchSize: 8,
  effectiveBatchSize: 8,
  earlyStopping: false,
  precision: 'fp32',
};
/** The model takes every epoch. */
const takesAll: FinetuneOptions = { epochs: 1, validationSplit: 0, learningRate: 1e-2, precision: 'fp32' };

const losses = (report: FinetuneReport) =>
  report.epochs.map(({ trainingLoss, validation }) => [trainingLoss, validation?.loss]);
const stepLosses = (events: readonly FinetuneEvent[]) =>
  events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));

describe('the same rows give the same run, to the bit, from wherever they come', () => {
  const options: FinetuneOptions = { ...learns, folds: 1, epochs: 2, seed: 5 };
  // Texts with all that the formats must quote.
  const awkward: ScoredRow[] = rows.map((row, i) => ({
    ...row,
    text1: i % 7 === 0 ? `"${row.text1}", they said,` : row.text1,
    text2: i % 11 === 0 ? `${row.text2} 🙂 \\n ''` : row.text2,
  }));
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  let expected: ReturnType<typeof withoutTimes>;
  let vectors: string;

  async function outcome(train: (model: TextVectorisation) => PromiseLike<FinetuneReport>) {
    const model = models.open(fixture('distilbert-dense'));
    const report = withoutTimes(await train(model));
    return { report, vectors: bits(await model.embed(PROBE_TEXTS)) };
  }
  const viaFile =
    (name: string, content: string, given: FinetuneOptions = options) =>
    (model: TextVectorisation) =>
      model.finetune(models.write(name, content), given);

  beforeAll(async () => {
    const { pairs, scores } = lists(awkward);
    const listed = await outcome((model) => model.finetune(pairs, scores, options));
    expected = listed.report;
    vectors = listed.vectors;
    expect(expected.epochs).toHaveLength(2);
    expect(expected.bestEpoch).toBeGreaterThan(0);
  });

  test.each<[string, (model: TextVectorisation) => PromiseLike<FinetuneReport>]>([
    ['a list of rows', (model) => model.finetune(awkward, options)],
    ['an iterable', (model) => model.finetune(new Set(awkward), options)],
    [
      'an async iterable',
      (model) =>
        model.finetune(
          (async function* () {
            for (const row of awkward) {
              if (row.score === 0) await new Promise(setImmediate);
              yield row;
            }
          })(),
          options,
        ),
    ],
    [
      'CSV',
      viaFile(
        'rows.csv',
        [
          'text1,text2,score',
          ...awkward.map((row) => [quoted(row.text1), quoted(row.text2), row.score].join(',')),
        ].join('\r\n'),
      ),
    ],
    [
      'CSV with a byte order mark and other columns',
      viaFile(
        'rows.csv',
        `\ufeffis_duplicate,id,question1,question2\n${awkward
          .map((row, i) => [row.score, i, quoted(row.text1), quoted(row.text2)].join(','))
          .join('\n')}\n`,
      ),
    ],
    [
      'CSV of another scale, columns by number',
      viaFile(
        'rows.data',
        awkward.map((row) => [5 * row.score, quoted(row.text2), quoted(row.text1)].join(',')).join('\n'),
        { ...options, file: { format: 'csv', columns: { score: 0, text2: 1, text1: 2 }, scoreRange: [0, 5] } },
      ),
    ],
    [
      'TSV',
      viaFile(
        'rows.tsv',
        ['sentence1\tsentence2\tlabel', ...awkward.map((row) => [row.text1, row.text2, row.score].join('\t'))].join(
          '\n',
        ),
        { ...options, file: { quoting: false } },
      ),
    ],
    ['JSON Lines', viaFile('rows.jsonl', awkward.map((row) => JSON.stringify(row)).join('\n'))],
  ])('%s', async (_, train) => {
    const found = await outcome(train);
    expect(found.report).toEqual(expected);
    expect(found.vectors === vectors).toBe(true);
  });
});

describe.each(CASES)('%s', (name) => {
  test('the same seed gives the same bits twice, another seed others', async () => {
    const run = async (seed: number, options: FinetuneOptions = {}) => {
      const model = models.open(fixture(name));
      const { report, events } = await finish(model, rows, {
        ...learns,
        validationSplit: 0,
        epochs: 2,
        seed,
        ...options,
      });
      return { losses: losses(report), steps: stepLosses(events), vectors: bits(await model.embed(PROBE_TEXTS)) };
    };
    const first = await run(7);
    expect(await run(7)).toEqual(first);
    const other = await run(8);
    expect(other.losses).not.toEqual(first.losses);
    expect(other.vectors === first.vectors).toBe(false);
    // The order of rows apart, dropout has the seed too.
    const masked = { shuffle: false, dropout: 0.1 }; // some models have none of their own
    const [a, b] = [await run(7, masked), await run(8, masked)];
    expect(b.steps[0]).not.toBe(a.steps[0]);
    const [c, d] = [await run(7, { shuffle: false, dropout: 0 }), await run(8, { shuffle: false, dropout: 0 })];
    expect(d).toEqual(c);
  });

  test('training that makes it worse changes nothing: the untrained model is epoch 0', async () => {
    const model = models.open(fixture(name));
    const before = bits(await model.embed(PROBE_TEXTS));
    const { report, of } = await finish(model, await asItIs(model, rows), { ...learns, epochs: 2 });
    expect(report.epochs.map(({ validation }) => validation!.loss > report.before!.loss)).toEqual([true, true]);
    expect(report.bestEpoch).toBe(0);
    expect(report.after).toEqual(report.before);
    expect(of('validation').map(({ epoch, best }) => [epoch, best])).toEqual([
      [0, true],
      [1, false],
      [2, false],
    ]);
    expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  });
});

describe('best weights', () => {
  test('learnable rows: the loss falls, and the report says what the model now does', async () => {
    const model = models.open(fixture('distilbert-mean'));
    const { report, of } = await finish(model, rows, { ...learns, seed: 3, groupedSplit: false });
    expect(report.after!.loss).toBeLessThan(report.before!.loss / 4);
    expect(report.epochs.at(-1)!.trainingLoss).toBeLessThan(report.epochs[0]!.trainingLoss / 2);
    expect(report.bestEpoch).toBeGreaterThan(0);
    const best = of('validation')
      .filter((event) => event.best)
      .at(-1)!;
    expect(best.epoch).toBe(report.bestEpoch);
    expect(best.metrics).toEqual(report.after);
    expect(of('validation')[0]!.metrics).toEqual(report.before);

    // What `after` says is measured again through the public surface, on the same validation rows.
    const validation = [...splitRows(rows.length, 0.15, 3).validation].map((row) => rows[row]!);
    expect(report.rows).toEqual({ training: rows.length - validation.length, validation: validation.length });
    const measure = async (measured: TextVectorisation) => {
      const left = await measured.embed(validation.map(({ text1 }) => text1));
      const right = await measured.embed(validation.map(({ text2 }) => text2));
      const errors = validation.map(({ score }, i) => (cosineSimilarity(left[i]!, right[i]!) - score) ** 2);
      return errors.reduce((sum, error) => sum + error / errors.length, 0);
    };
    expect(await measure(model)).toBeCloseTo(report.after!.loss, 6);
    expect(await measure(models.open(fixture('distilbert-mean')))).toBeCloseTo(report.before!.loss, 6);
  });

  test('the model has the best epoch, not the last', async () => {
    // The rate rises all the way: it is good in the first epoch, and far too high in the last.
    const options: FinetuneOptions = { ...learns, learningRate: 0.02, warmupSteps: 8 * 7, epochs: 8, seed: 2 };
    const model = models.open(fixture('distilbert-dense'));
    const { report } = await finish(model, rows, options);
    expect(report.bestEpoch).toBeGreaterThan(0);
    expect(report.bestEpoch).toBeLessThan(8);
    const until = models.open(fixture('distilbert-dense'));
    await finish(until, rows, { ...options, epochs: report.bestEpoch });
    expect(bits(await model.embed(PROBE_TEXTS)) === bits(await until.embed(PROBE_TEXTS))).toBe(true);
  });

  test('early stopping ends after `patience` epochs without improvement', async () => {
    for (const patience of [1, 3]) {
      const model = models.open(fixture('bert-mean'));
      const { report, of } = await finish(model, await asItIs(model, rows), {
        ...learns,
        epochs: 9,
        earlyStopping: { patience },
      });
      expect(report).toMatchObject({ stoppedEarly: true, bestEpoch: 0 });
      expect(report.epochs).toHaveLength(patience);
      expect(of('early-stop')).toMatchObject([{ epoch: patience, bestEpoch: 0, patience }]);
    }
  });

  test("a second run goes on from the first one's weights", async () => {
    const model = models.open(fixture('bert-mean'));
    const first = await finish(model, rows, learns);
    const second = await finish(model, rows, { ...learns, epochs: 1 });
    expect(second.report.before!.loss).toBe(first.report.after!.loss);
    expect(second.report.epochs[0]!.trainingLoss).toBeLessThan(first.report.epochs[0]!.trainingLoss);
  });

  test('without validation rows the model takes every epoch', async () => {
    const model = models.open(fixture('bert-mean'));
    const untrained = bits(await model.embed(PROBE_TEXTS));
    const { report, of } = await finish(model, await asItIs(model, rows), {
      ...learns,
      epochs: 2,
      validationSplit: 0,
    });
    expect(report).toMatchObject({ before: null, after: null, bestEpoch: 2, stoppedEarly: false });
    expect(of('validation')).toEqual([]);
    expect(bits(await model.embed(PROBE_TEXTS)) === untrained).toBe(false);
  });
});

describe('metrics', () => {
  test.each([
    [0, 1],
    [0.2, 0.9],
  ])('scores of two values (%d and %d) are classes', async (low, high) => {
    const two = rows.map((row) => ({ ...row, score: row.score === 0 ? low : high }));
    const { report } = await finish(models.open(fixture('bert-dense')), two, {
      ...learns,
      epochs: 1,
      validationSplit: 0.5,
    });
    for (const metrics of [report.before!, report.after!, report.epochs[0]!.validation!]) {
      expect(metrics.averagePrecision).toBeGreaterThan(0);
      expect(metrics.averagePrecision).toBeLessThanOrEqual(1);
      for (const measure of [metrics.f1!, metrics.accuracy!]) {
        expect(measure.value).toBeGreaterThanOrEqual(0.5);
        expect(measure.value).toBeLessThanOrEqual(1);
        expect(Math.abs(measure.threshold)).toBeLessThanOrEqual(1);
      }
    }
  });

  test('graded scores have correlations and no classes', async () => {
    const { report } = await finish(models.open(fixture('bert-dense')), graded, {
      ...learns,
      epochs: 1,
      validationSplit: 0.5,
    });
    for (const metrics of [report.before!, report.after!]) {
      expect(metrics).toMatchObject({ averagePrecision: null, f1: null, accuracy: null });
      expect(Math.abs(metrics.spearman!)).toBeLessThanOrEqual(1);
      expect(Math.abs(metrics.pearson!)).toBeLessThanOrEqual(1);
    }
  });
});

describe('freeze', () => {
  /** Every tensor of a saved model, a Dense's under its folder. */
  async function tensors(model: TextVectorisation, as: string, dense = false): Promise<Map<string, Tensor>> {
    const folder = await model.save(models.path(as));
    const all = readTensors(join(folder, 'model.safetensors'));
    if (dense)
      for (const [name, tensor] of readTensors(join(folder, '2_Dense', 'model.safetensors')))
        all.set(`head.1.${name}`, tensor);
    return all;
  }
  const changed = (before: Map<string, Tensor>, after: Map<string, Tensor>) => {
    expect([...after.keys()]).toEqual([...before.keys()]);
    return [...before]
      .filter(([name, tensor]) => bits([tensor.data]) !== bits([after.get(name)!.data]))
      .map(([name]) => name);
  };

  test.each<[string[], (name: string) => boolean]>([
    [[], () => false],
    [['embeddings', 'encoder.layer.0'], (name) => /embeddings\.|encoder\.layer\.0\./.test(name)],
    [['embeddings', 'encoder.layer.0-0'], (name) => /embeddings\.|encoder\.layer\.0\./.test(name)],
    [['encoder.layer.0-1.attention'], (name) => /encoder\.layer\.[01]\.attention\./.test(name)],
    [['encoder.layer.1.output.dense.weight'], (name) => name.endsWith('encoder.layer.1.output.dense.weight')],
    [['head'], (name) => name.startsWith('head.')],
    [['embeddings', 'encoder'], (name) => !name.startsWith('head.')],
  ])('%j keep their weights, all others learn', async (freeze, isFrozen) => {
    const model = models.open(fixture('bert-dense'));
    const before = await tensors(model, 'before', true);
    const { of, report } = await finish(model, rows, { ...takesAll, freeze, optimizer: 'torch' });
    const after = await tensors(model, 'after', true);
    // The pooler that the file holds is no parameter of the model.
    const parameters = [...before.keys()].filter((name) => !name.includes('pooler'));
    expect(parameters.filter(isFrozen).length > 0).toBe(freeze.length > 0);
    expect(changed(before, after)).toEqual(parameters.filter((name) => !isFrozen(name)));
    const count = parameters.filter(isFrozen).reduce((sum, name) => sum + before.get(name)!.data.length, 0);
    expect(of('summary')).toMatchObject([{ trainableParameters: report.parameters - count }]);
    expect(report.trainableParameters).toBe(report.parameters - count);
  });

  test('layers that are one, and embeddings of their own width', async () => {
    const model = models.open(fixture('albert-mean'));
    const before = await tensors(model, 'before');
    await finish(model, rows, {
      ...takesAll,
      freeze: ['embeddings', 'encoder.albert_layer_groups'],
      optimizer: 'torch',
    });
    const projection = [...before.keys()].filter((name) => name.includes('embedding_hidden_mapping_in'));
    expect(projection).toHaveLength(2);
    expect(changed(before, await tensors(model, 'after'))).toEqual(projection);
  });

  test('a frozen model of another architecture', async () => {
    const model = models.open(fixture('distilbert-mean'));
    const before = await tensors(model, 'before');
    await finish(model, rows, { ...takesAll, freeze: ['transformer.layer.0'], optimizer: 'torch' });
    const names = changed(before, await tensors(model, 'after'));
    expect(names).toEqual([...before.keys()].filter((name) => !name.includes('transformer.layer.0.')));
  });
});

describe('learning rate', () => {
  // 60 rows in steps of 8: 8 steps an epoch, 24 in all.
  const total = 24;
  const options: FinetuneOptions = { ...takesAll, epochs: 3, batchSize: 8, effectiveBatchSize: 8, learningRate: 0.01 };
  const after = (step: number, warmup: number) => (step - warmup) / (total - warmup);

  test.each<[FinetuneOptions, number, (step: number, warmup: number) => number]>([
    [{}, 0, () => 1],
    [{ schedule: 'constant', warmupSteps: 5 }, 5, () => 1],
    [{ schedule: 'linear' }, 0, (step, warmup) => 1 - after(step, warmup)],
    [{ schedule: 'linear', warmupSteps: 4 }, 4, (step, warmup) => 1 - after(step, warmup)],
    [{ schedule: 'cosine' }, 0, (step, warmup) => (1 + Math.cos(Math.PI * after(step, warmup))) / 2],
    [{ schedule: 'cosine', warmupRatio: 0.1 }, 3, (step, warmup) => (1 + Math.cos(Math.PI * after(step, warmup))) / 2],
    [{ warmupRatio: 1 }, 24, () => NaN],
  ])('%j', async (schedule, warmup, share) => {
    const { report, of } = await finish(models.open(fixture('bert-mean')), rows, { ...options, ...schedule });
    const expected = Array.from(
      { length: total },
      (_, step) => 0.01 * (step < warmup ? step / warmup : share(step, warmup)),
    );
    const found = of('step').map(({ learningRate }) => learningRate);
    expect(found).toEqual(expected.map((rate) => expect.closeTo(rate, 15)));
    expect(report).toMatchObject({
      warmupSteps: warmup,
      steps: total,
      learningRate: 0.01,
      schedule: schedule.schedule ?? 'constant',
    });
  });

  test('a rate of nearly 0 moves nothing, a higher one moves further', async () => {
    const distance = async (learningRate: number) => {
      const model = models.open(fixture('bert-mean'));
      const [before] = await model.embed(PROBE_TEXTS);
      await finish(model, rows, { ...takesAll, learningRate });
      const [vector] = await model.embed(PROBE_TEXTS);
      return Math.hypot(...vector!.map((value, i) => value - before![i]!));
    };
    expect(await distance(1e-30)).toBe(0);
    expect(await distance(1e-4)).toBeGreaterThan(0);
    expect(await distance(1e-2)).toBeGreaterThan(await distance(1e-4));
  });
});

describe('steps', () => {
  test('maxGradientNorm: the norm before clipping is told, and clipping holds', async () => {
    const run = async (maxGradientNorm?: number) => {
      const options = { ...takesAll, learningRate: 1e-3, ...(maxGradientNorm !== undefined && { maxGradientNorm }) };
      const { of, report } = await finish(models.open(fixture('bert-mean')), rows, { ...options, epochs: 2 });
      return { norms: of('step').map(({ gradientNorm }) => gradientNorm), losses: losses(report) };
    };
    const [none, loose, tight] = [await run(), await run(1e9), await run(1e-7)];
    expect(none.norms).toEqual([null, null, null, null]);
    for (const norm of loose.norms) expect(norm).toBeGreaterThan(1e-3);
    expect(tight.norms[0]).toBe(loose.norms[0]);
    expect(loose.losses).toEqual(none.losses);
    // Clipped far below AdamW's eps of 1e-6, the updates are smaller.
    expect(tight.losses).not.toEqual(none.losses);
  });

  test('gradients accumulated over batches of 4 are those of 16 at once', async () => {
    // A rate at which eight steps do not make more of the rounding. The norm tells a gradient of another scale, which
    // AdamW would hide.
    const run = (batchSize: number, options: FinetuneOptions) =>
      finish(models.open(fixture('roberta-dense')), rows, {
        ...learns,
        epochs: 2,
        learningRate: 1e-4,
        maxGradientNorm: 1e9,
        batchSize,
        effectiveBatchSize: 16,
        ...options,
      });
    for (const options of [{}, { dropout: 0 }]) {
      const [small, whole] = [await run(4, options), await run(16, options)];
      expect(small.report).toMatchObject({ batchSize: 4, effectiveBatchSize: 16, steps: 8 });
      expect(whole.report).toMatchObject({ batchSize: 16, effectiveBatchSize: 16, steps: 8 });
      const numbers = (events: readonly FinetuneEvent[]) =>
        events.flatMap((event) => (event.type === 'step' ? [event.loss, event.gradientNorm!] : []));
      const [found, expected] = [numbers(small.events), numbers(whole.events)];
      expect(found).toHaveLength(16);
      // A library's sums depend on the number of rows (MKL with AVX2: 2.2e-5 after 8 steps); our own do not.
      found.forEach((number, i) => expect(Math.abs(number / expected[i]! - 1)).toBeLessThanOrEqual(5e-5));
      expect(Math.abs(small.report.after!.loss / whole.report.after!.loss - 1)).toBeLessThanOrEqual(1e-5);
    }
  });

  test("events count up, the epoch's loss is the mean over its rows, and nothing is told after the end", async () => {
    const { run, events, of } = start(models.open(fixture('bert-mean')), rows, { ...learns, epochs: 2 });
    const report = await run;
    const told = events.length;
    expect(of('epoch-start')).toEqual(
      [1, 2].map((epoch) => ({ type: 'epoch-start', kind: 'epoch-start', epoch, epochs: 2, steps: 7 })),
    );
    expect(of('step').map(({ epoch, step, totalSteps }) => [epoch, step, totalSteps])).toEqual(
      Array.from({ length: 14 }, (_, i) => [1 + Math.floor(i / 7), 1 + (i % 7), i + 1]),
    );
    // 51 rows in steps of 8; one of the seven has 3.
    for (const epoch of report.epochs) {
      const found = of('step').filter((step) => step.epoch === epoch.epoch);
      const sum = (loss: number, weight: number) => (loss * weight) / 51;
      const whole = found.reduce((total, step) => total + sum(step.loss, 8), 0);
      expect(found.some((small) => Math.abs(whole - sum(small.loss, 5) - epoch.trainingLoss) < 1e-9)).toBe(true);
    }
    expect(report.tokens).toBe(of('step').reduce((sum, { tokens }) => sum + tokens, 0));
    for (const step of of('step'))
      expect([step.tokensPerSecond, step.eta].every((n) => Number.isFinite(n) && n >= 0)).toBe(true);
    expect(
      of('validating')
        .filter(({ done, rows: all }) => done === all)
        .map(({ epoch }) => epoch),
    ).toEqual([0, 1, 2]);
    expect(events.at(-1)).toEqual({ type: 'done', kind: 'done', report });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(events).toHaveLength(told);
  });

  test('the summary: parameters, bytes, processor, seed, limit', async () => {
    const model = models.open(fixture('bert-dense'));
    const info = await model.info();
    const options: FinetuneOptions = { ...takesAll, seed: 4294967295, memoryLimit: 2e9, maxInputLength: 12 };
    const { of, report } = await finish(model, rows, options);
    const { threads, libtorch } = (await loadEngine()).info();
    const bytes = 4 * info.parameters;
    expect(info.parameters).toBe(18776);
    expect(of('summary')).toEqual([
      {
        type: 'summary',
        kind: 'summary',
        model: info.id,
        versions: { vectune: ADDON_VERSION, LibTorch: libtorch, 'Node.js': process.versions.node },
        recipe: 'notebook',
        settings: {
          prompts: null,
          dropout: null,
          freeze: [],
          validationSplit: 0,
          groupedSplit: false,
          shuffle: true,
          effectiveBatchSize: null,
          learningRate: 0.01,
          schedule: 'constant',
          sampler: 'any',
          warmup: { steps: 0 },
          optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
          maxGradientNorm: null,
          epochs: 1,
          earlyStopping: null,
          merge: [1],
          measure: 'loss',
          folds: 1,
        },
        loss: { name: 'cosine-mse' },
        parameters: info.parameters,
        trainableParameters: info.parameters,
        bytes,
        megabytes: (bytes / 1e6).toFixed(3),
        precision: 'fp32',
        device: 'cpu',
        gpu: null,
        threads,
        seed: 4294967295,
        memoryLimit: 2e9,
      },
    ]);
    expect(of('data')).toMatchObject([{ rows: 60, trainingRows: 60, validationRows: 0, maxInputLength: 12 }]);
    expect(of('data')[0]!.longest).toBeLessThanOrEqual(12);
    expect(report).toMatchObject({
      parameters: info.parameters,
      threads,
      libtorch,
      seed: 4294967295,
      precision: 'fp32',
      device: 'cpu',
      gpu: null,
      maxInputLength: 12,
      optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
    });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  test("without a limit of one's own there is one that the machine can keep", async () => {
    const { of } = await finish(models.open(fixture('bert-dense')), rows, takesAll);
    expect(of('summary')[0]!.memoryLimit).toBeGreaterThan(1e6);
  });

  test('bf16 trains too, and is another computation', async () => {
    const run = (precision: 'bf16' | 'fp32') =>
      finish(models.open(fixture('distilbert-mean')), rows, { ...learns, precision });
    const [rounded, exact] = [await run('bf16'), await run('fp32')];
    expect(rounded.report.precision).toBe('bf16');
    expect(rounded.report.after!.loss).toBeLessThan(rounded.report.before!.loss / 2);
    expect(losses(rounded.report)).not.toEqual(losses(exact.report));
  });

  test('maxInputLength cuts texts in training as in embed', async () => {
    const cut = await finish(models.open(fixture('bert-mean')), rows, { ...takesAll, maxInputLength: 4 });
    const short = rows.map((row) => ({
      ...row,
      text1: `${row.text1} river river river`,
      text2: `${row.text2} bread bread`,
    }));
    const longer = await finish(models.open(fixture('bert-mean')), short, { ...takesAll, maxInputLength: 4 });
    const whole = await finish(models.open(fixture('bert-mean')), short, takesAll);
    expect(cut.of('data')).toMatchObject([{ longest: 4, maxInputLength: 4 }]);
    expect(losses(longer.report)).toEqual(losses(cut.report));
    expect(losses(whole.report)).not.toEqual(losses(cut.report));
  });
});
