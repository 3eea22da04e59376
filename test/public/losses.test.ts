import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  cosineSimilarity,
  type FinetuneEvent,
  type FinetuneOptions,
  type LossChoice,
  type TrainingRow,
} from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { lossNames, resolveLoss } from '../../lib/finetune/losses/choice';
import { losses, type SimpleLossName } from '../../lib/finetune/losses/table';
import { fixture, useModels } from './models';
import { scoredRows, topicOf } from './rows';
import { rejection } from './runs';

/** Every form of rows is trained on, with every loss that fits it. */

const models = useModels();

/** Rows of every form, of the words that the fixtures know. */
const pairs = scoredRows(40);
const same = pairs.filter(({ score }) => score === 1);
const ranking = same.map(({ text1, text2 }, i) => ({
  anchor: text1,
  positive: text2,
  negative: same[(i + 7) % same.length]!.text1,
}));
const vector = (i: number) => Array.from({ length: 32 }, (_, at) => Math.sin(i + at));
const forms = {
  'labelled-pairs': pairs,
  'positive-pairs': same.map(({ text1, text2 }) => ({ anchor: text1, positive: text2 })),
  triplets: ranking,
  classes: pairs.map(({ text1 }, i) => ({ text: text1, label: `class ${i % 4}` })),
  vectors: pairs.map(({ text1 }, i) => ({ text: text1, vector: vector(i) })),
  candidates: ranking.map(({ anchor, positive, negative }) => ({
    query: anchor,
    candidates: [positive, negative],
    scores: [3, 1],
  })),
} satisfies Record<string, readonly TrainingRow[]>;

const options: FinetuneOptions = {
  epochs: 1,
  batchSize: 4,
  effectiveBatchSize: 8,
  learningRate: 1e-3,
  precision: 'fp32',
  validationSplit: 0.25,
};

async function train(form: keyof typeof forms, loss?: LossChoice) {
  const events: FinetuneEvent[] = [];
  const model = models.open(fixture('bert-mean'));
  const report = await model.finetune(forms[form], {
    ...options,
    ...(loss && { loss }),
    onProgress: (event) => {
      events.push(event);
    },
  });
  return { model, report, events };
}

test.each<[keyof typeof forms, LossChoice | undefined, string]>([
  ['labelled-pairs', undefined, 'logistic'],
  ['labelled-pairs', 'cosent', 'cosent'],
  ['labelled-pairs', 'angle', 'angle'],
  ['labelled-pairs', 'pearson', 'pearson'],
  ['labelled-pairs', 'logistic', 'logistic'],
  ['labelled-pairs', { name: 'logistic', threshold: 0.5 }, 'logistic'],
  ['labelled-pairs', { name: 'logistic', scale: 10 }, 'logistic'],
  ['labelled-pairs', { name: 'sum', losses: ['logistic', { loss: 'cosent', weight: 0.5 }] }, 'sum'],
  ['labelled-pairs', { name: 'matryoshka', loss: 'logistic', matryoshka_dims: [32, 16] }, 'matryoshka'],
  ['labelled-pairs', { name: 'adaptive-layer', loss: 'logistic' }, 'adaptive-layer'],
  ['labelled-pairs', { name: 'contrastive', margin: 0.4, size_average: false }, 'contrastive'],
  ['labelled-pairs', { name: 'online-contrastive', distance_metric: 'euclidean' }, 'online-contrastive'],
  ['positive-pairs', undefined, 'multiple-negatives-ranking'],
  ['positive-pairs', 'mega-batch-margin', 'mega-batch-margin'],
  [
    'positive-pairs',
    { name: 'matryoshka', loss: 'multiple-negatives-ranking', matryoshka_dims: [32, 16] },
    'matryoshka',
  ],
  [
    'positive-pairs',
    {
      name: 'sum',
      losses: ['multiple-negatives-ranking', { loss: { name: 'global-orthogonal-regularization' }, weight: 0.1 }],
    },
    'sum',
  ],
  [
    'triplets',
    {
      name: 'multiple-negatives-ranking',
      directions: ['query_to_doc', 'doc_to_doc'],
      hardness_mode: 'hard_negatives',
      hardness_strength: 5,
    },
    'multiple-negatives-ranking',
  ],
  ['triplets', { name: 'triplet', distance_metric: 'cosine', triplet_margin: 0.3 }, 'triplet'],
  ['classes', undefined, 'batch-all-triplet'],
  ['classes', 'batch-hard-triplet', 'batch-hard-triplet'],
  ['classes', 'batch-hard-soft-margin-triplet', 'batch-hard-soft-margin-triplet'],
  ['classes', { name: 'batch-semi-hard-triplet', margin: 1 }, 'batch-semi-hard-triplet'],
  ['vectors', undefined, 'mse'],
  ['vectors', { name: 'embed-distill', distance_metric: 'l2' }, 'embed-distill'],
  ['candidates', undefined, 'distill-kl-div'],
  ['candidates', { name: 'margin-mse', similarity_fct: 'cos_sim' }, 'margin-mse'],
])('%s with %j', async (form, loss, name) => {
  const { report, events } = await train(form, loss);
  expect(report.loss.name).toBe(name);
  expect(events.find(({ type }) => type === 'summary')).toMatchObject({ loss: report.loss });
  expect(events.find(({ type }) => type === 'data')).toMatchObject({ form });
  expect(report.before!.loss).toBeGreaterThan(0);
  expect(Number.isFinite(report.epochs[0]!.trainingLoss)).toBe(true);
  if (form === 'triplets') expect(report.before).toHaveProperty('tripletAccuracy');
  else expect(report.before).not.toHaveProperty('tripletAccuracy');
  if (form === 'labelled-pairs') expect(report.before!.averagePrecision).toBeGreaterThan(0);
});

test('what is learned: texts of a class come together, and the card names the loss', async () => {
  const texts = [...new Set(scoredRows(60).flatMap(({ text1, text2 }) => [text1, text2]))];
  const rows = texts.map((text) => ({ text, label: topicOf(text) }));
  const model = models.open(fixture('bert-mean'));
  /** By how much two texts of one topic are more alike than two of different ones. */
  const apart = async () => {
    const vectors = await model.embed(texts);
    const means = [0, 0];
    const counts = [0, 0];
    texts.forEach((text, i) => {
      for (let j = 0; j < i; ++j) {
        const side = Number(topicOf(text) === topicOf(texts[j]!));
        means[side]! += cosineSimilarity(vectors[i]!, vectors[j]!);
        ++counts[side]!;
      }
    });
    return means[1]! / counts[1]! - means[0]! / counts[0]!;
  };
  const before = await apart();
  const loss = { name: 'batch-all-triplet', distance_metric: 'cosine', margin: 0.3 } as const;
  const report = await model.finetune(rows, {
    ...options,
    recipe: 'notebook',
    loss,
    epochs: 6,
    earlyStopping: false,
    batchSize: 16,
    effectiveBatchSize: 16,
  });
  expect(report.after!.loss).toBeLessThan(report.before!.loss);
  expect(await apart()).toBeGreaterThan(before + 0.5);
  await model.save(models.path('tuned'));
  const card = readFileSync(join(models.path('tuned'), 'README.md'), 'utf8');
  expect(card).toMatch(/Loss \| all triplets of classes/);
  expect(card).toMatch(/Rows \(texts with a class\) trained on/);
});

test('a threshold that is not given is fitted, at the scale that is, and wherever the loss stands', async () => {
  const lossOf = async (loss?: LossChoice) => (await train('labelled-pairs', loss)).report.loss;
  const fitted = await lossOf();
  expect(fitted).toEqual({ name: 'logistic', threshold: expect.any(Number), scale: 20 });
  expect(await lossOf('logistic')).toEqual(fitted);
  const wide = await lossOf({ name: 'logistic', scale: 2 });
  expect(wide).toEqual({ name: 'logistic', threshold: expect.any(Number), scale: 2 });
  expect(wide['threshold']).not.toBe(fitted['threshold']);
  expect(await lossOf({ name: 'logistic', threshold: 0.5 })).toEqual({ name: 'logistic', threshold: 0.5 });
  expect(await lossOf({ name: 'sum', losses: ['cosent', { loss: 'logistic', weight: 2 }] })).toEqual({
    name: 'sum',
    losses: [
      { name: 'cosent', weight: 1 },
      { ...fitted, weight: 2 },
    ],
  });
  expect(await lossOf({ name: 'matryoshka', loss: 'logistic', matryoshka_dims: [32] })).toMatchObject({ loss: fitted });
});

test('a run that goes on keeps its fitted thresholds, though the model has other weights by now', async () => {
  const model = models.open(fixture('bert-mean'));
  const loss = {
    name: 'sum',
    losses: [
      { name: 'logistic', scale: 5 },
      { loss: 'cosent', weight: 0.1 },
    ],
  } as const;
  const more: FinetuneOptions = {
    ...options,
    loss,
    epochs: 3,
    validationSplit: 0,
    merge: 1,
    checkpoint: { folder: models.path('fitted'), everyEpoch: true },
  };
  let told: unknown;
  const run = model.finetune(pairs, {
    ...more,
    onProgress: (event) => {
      if (event.type === 'summary') told = event.loss;
      if (event.type === 'checkpoint') run.abort();
    },
  });
  expect(await rejection(run)).toMatchObject({ code: 'ERR_ABORTED' });
  const report = await model.finetune(pairs, { ...more, resume: true });
  expect(report.epochs).toHaveLength(3);
  expect(report.loss).toEqual(told);
  expect(report.loss).toMatchObject({ losses: [{ name: 'logistic', threshold: expect.any(Number), scale: 5 }, {}] });
});

test('every loss that the engine knows can be asked for by its name, and the engine has all that can be', async () => {
  const addon = await loadEngine();
  const spy = jest.spyOn(addon, 'createTrainer').mockImplementationOnce((model, dataset, given) => {
    spy.mockRestore();
    return addon.createTrainer(model, dataset, { ...given, loss: { name: 'none' } });
  });
  const refused = (await rejection(train('positive-pairs'))) as Error;
  const [, list] = /There is no loss 'none'; there is (.*?)\./.exec(refused.message) ?? [];
  const known = [...list!.matchAll(/'([^']+)'/g)].map(([, name]) => name!);
  // 'given' is what the engine calls a loss of the caller's own.
  expect(known.filter((name) => name !== 'given').sort()).toEqual([...lossNames].sort());
});

test('every loss without an option that must be given is resolved by its bare name', () => {
  for (const name of Object.keys(losses) as SimpleLossName[])
    expect(resolveLoss('loss', name).native).toEqual({ name });
});

test('a loss that does not fit is refused before the model is loaded', async () => {
  const model = models.open('a folder that is not there');
  expect(await rejection(model.finetune(forms.classes, { loss: 'triplet' }))).toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(/triplet needs rows of anchor.*data is texts with a class.*batch-all-triplet/),
  });
});
