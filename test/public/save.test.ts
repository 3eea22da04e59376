import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { TextVectorisation, type FinetuneOptions } from '../../lib';
import { CASES } from '../parity/cases';
import { readTensors } from '../parity/safetensors';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { asItIs, scoredRows } from './rows';
import { finish, holdingSteps, rejection, start } from './runs';

const models = useModels();
const rows = scoredRows();
const learns: FinetuneOptions = {
  epochs: 2,
  learningRate: 1e-3,
  batchSize: 8,
  effectiveBatchSize: 8,
  earlyStopping: false,
  precision: 'fp32',
};

async function vectorsOf(folder: string): Promise<string> {
  return bits(await models.open(folder).embed(PROBE_TEXTS));
}
const card = (folder: string) => readFileSync(join(folder, 'README.md'), 'utf8');

/** Every file below a folder with a hash of its bytes. */
function contents(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  return Object.fromEntries(
    files.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

describe.each(CASES)('%s', (name) => {
  test('a saved model has the same vectors to the bit, untrained and trained', async () => {
    const model = models.open(fixture(name));
    const untrained = bits(await model.embed(PROBE_TEXTS));
    const first = await model.save(models.path('untrained'));
    expect((await vectorsOf(first)) === untrained).toBe(true);

    await finish(model, rows, { ...learns, validationSplit: 0 });
    const trained = bits(await model.embed(PROBE_TEXTS));
    expect(trained === untrained).toBe(false);
    const second = await model.save(models.path('trained'));
    expect((await vectorsOf(second)) === trained).toBe(true);
    expect((await vectorsOf(first)) === untrained).toBe(true);
  });

  test('what is saved, opened and saved again is the same, byte by byte', async () => {
    const model = models.open(fixture(name));
    await finish(model, rows, learns);
    const first = await model.save(models.path('first', 'same'));
    const again = models.open(first);
    const second = await again.save(models.path('second', 'same'));
    const [a, b] = [contents(first), contents(second)];
    // The card too: it tells what was done to the model before it was opened.
    expect(b).toEqual(a);
    expect(Object.keys(a)).toEqual(
      expect.arrayContaining(['config.json', 'model.safetensors', 'modules.json', 'README.md']),
    );
    const { id: _, notes, ...facts } = await model.info();
    expect(await again.info()).toMatchObject(facts);
    expect((await again.info()).notes).toEqual(notes);
  });

  test('an unchanged model is saved with its weights as they were', async () => {
    const folder = await models.open(fixture(name)).save(models.path('saved'));
    const [found, expected] = [folder, fixture(name)].map((place) => readTensors(join(place, 'model.safetensors')));
    expect([...found!.keys()].sort()).toEqual([...expected!.keys()].sort());
    for (const [tensor, { shape, data }] of expected!) {
      expect(found!.get(tensor)!.shape).toEqual(shape);
      expect(bits([found!.get(tensor)!.data]) === bits([data])).toBe(true);
    }
  });
});

describe('the folder', () => {
  test('is told as an absolute path; its parents are made, and nothing else is left beside it', async () => {
    const model = models.open(fixture('bert-mean'));
    const place = models.path('deep', 'er', 'model');
    expect(await model.save(relative(process.cwd(), place))).toBe(place);
    expect(readdirSync(models.path('deep', 'er'))).toEqual(['model']);
    mkdirSync(models.path('empty'));
    expect(await model.save(models.path('empty'))).toBe(models.path('empty'));
    expect(await vectorsOf(models.path('empty'))).toBe(await vectorsOf(place));
  });

  test('that holds a model is replaced, also the one that the model came from', async () => {
    const folder = models.copy('bert-dense');
    const model = models.open(folder);
    await finish(model, rows, { ...learns, validationSplit: 0 });
    const trained = bits(await model.embed(PROBE_TEXTS));
    expect(await model.save(folder)).toBe(folder);
    expect((await vectorsOf(folder)) === trained).toBe(true);
    expect(readdirSync(models.path())).toEqual(['copy']);
    // The model is whole still, though the file that it came from is gone.
    expect(bits(await model.embed(PROBE_TEXTS)) === trained).toBe(true);
    expect((await vectorsOf(await model.save(models.path('again')))) === trained).toBe(true);
    const other = models.open(fixture('distilbert-mean'));
    await other.save(folder);
    expect(await vectorsOf(folder)).toBe(bits(await other.embed(PROBE_TEXTS)));
    expect(readdirSync(folder)).not.toContain('2_Dense');
  });

  test('saves at once, to several places and to the same, leave whole folders', async () => {
    const model = models.open(fixture('bert-mean'));
    const expected = bits(await model.embed(PROBE_TEXTS));
    const folders = await Promise.all(['a', 'b', 'c'].map((name) => model.save(models.path(name))));
    for (const folder of folders) expect((await vectorsOf(folder)) === expected).toBe(true);
    await Promise.allSettled(['same', 'same'].map((name) => model.save(models.path(name))));
    expect((await vectorsOf(models.path('same'))) === expected).toBe(true);
    expect(readdirSync(models.path()).sort()).toEqual(['a', 'b', 'c', 'same']);
  });
});

describe('the model card', () => {
  test('before any run says that the model is unchanged', async () => {
    const text = card(await models.open(fixture('bert-dense')).save(models.path('saved')));
    expect(text).toContain('unchanged, from a local model named "model"');
    expect(text).toMatch(/\| Dimension \| \d+ \|/);
    expect(text).not.toMatch(/fine-tuned|## Training|Before and after/);
  });

  test('after a run tells what was done and what came of it', async () => {
    const model = models.open(fixture('distilbert-mean'));
    const { report } = await finish(model, rows, {
      ...learns,
      seed: 9,
      schedule: 'linear',
      warmupSteps: 3,
      maxInputLength: 16,
    });
    expect(report.bestEpoch).toBe(2);
    const text = card(await model.save(models.path('saved')));
    expect(text).not.toContain('unchanged');
    for (const line of [
      '# model, fine-tuned',
      '| Text pairs trained on | 51 |',
      '| Text pairs held out | 9 |',
      '| Epochs run | 2 |',
      '| Weights of | epoch 2 |',
      '| `maxInputLength` | 16 |',
      '| `batchSize` | 8 |',
      '| `effectiveBatchSize` | 8 |',
      '| `learningRate` | 0.001 |',
      '| `schedule` | linear |',
      '| `eps` | 0.000001',
      '| `precision` | fp32 |',
      '| `seed` | 9 |',
      `| Version of LibTorch | ${report.libtorch} |`,
    ])
      expect(text).toContain(line);
    const loss = /\| Loss \| (\S+) \| (\S+) \|/.exec(text)!;
    expect(Number(loss[1])).toBeCloseTo(report.before!.loss, 5);
    expect(Number(loss[2])).toBeCloseTo(report.after!.loss, 5);
    expect(text).toMatch(/\| Average precision \| \S+ \| \S+ \|/);
  });

  test('shows the model as it was trained: with its prompts, or the threshold; and what was kept', async () => {
    const positives = rows
      .filter(({ score }) => score === 1)
      .map(({ text1, text2 }) => ({ anchor: text1, positive: text2 }));
    const searching = models.open(fixture('bert-mean'));
    await searching.finetune(positives, {
      ...learns,
      validationSplit: 0,
      prompts: { anchor: 'query: ', positive: 'passage: ' },
      keep: { data: scoredRows(40, true), margin: 0.5 },
    });
    const one = card(await searching.save(models.path('searching')));
    expect(one).toContain(`const [a] = await model.embed(['How old are you?'], { prompt: "query: " });`);
    expect(one).toContain(`const [b] = await model.embed(['What is your age?'], { prompt: "passage: " });`);
    expect(one).toContain(`b = model.encode('What is your age?', prompt="passage: ")`);
    expect(one).toMatch(/\| `keep` \| Spearman of 40 rows -?0\.\d{4} → -?0\.\d{4}, might fall by 0\.5 \|/);
    expect(one).toContain('| `validationSplit` | 0 |');
    const telling = models.open(fixture('bert-mean'));
    const report = await telling.finetune(rows, {
      ...learns,
      recipe: 'notebook',
      validationSplit: 0.4,
      prompts: 'text: ',
    });
    const other = card(await telling.save(models.path('telling')));
    const from = report.after!.f1!.threshold.toFixed(3);
    expect(other).toContain(`['How old are you?', 'What is your age?'], { prompt: "text: " });`);
    expect(other).toContain(`cosineSimilarity(a, b) >= ${from} ? 'the same' : 'not the same'`);
    expect(other).toContain(`print(util.cos_sim(a, b) >= ${from})`);
  });

  test('after a run that made nothing better says unchanged, since it is', async () => {
    const model = models.open(fixture('bert-mean'));
    const { report } = await finish(model, await asItIs(model, rows), learns);
    expect(report.bestEpoch).toBe(0);
    expect(card(await model.save(models.path('saved')))).toContain('unchanged, from');
  });

  test('counts earlier runs, and leaves out those that changed nothing', async () => {
    const model = models.open(fixture('distilbert-mean'));
    await finish(model, rows, { ...learns, seed: 1 });
    expect((await finish(model, await asItIs(model, rows), learns)).report.bestEpoch).toBe(0);
    await finish(model, rows, { ...learns, epochs: 1, validationSplit: 0, seed: 2 });
    expect((await finish(model, await asItIs(model, rows), learns)).report.bestEpoch).toBe(0);
    const text = card(await model.save(models.path('saved')));
    expect(text).toContain('| Fine-tuned before, in runs | 1 |');
    expect(text).toContain('| `seed` | 2 |');
  });
});

test('while a run is on, the best weights so far are saved, with a card that says so', async () => {
  const source = fixture('distilbert-mean');
  const states = [await vectorsOf(source)];
  const one = models.open(source);
  expect((await finish(one, rows, { ...learns, epochs: 1 })).report.bestEpoch).toBe(1);
  states.push(bits(await one.embed(PROBE_TEXTS)));

  const model = models.open(source);
  const saved: Promise<string>[] = [];
  await holdingSteps((hold) =>
    finish(model, rows, {
      ...learns,
      onProgress: (event) => {
        if (event.type !== 'step' || ![1, 4].includes(event.step)) return;
        saved.push(model.save(models.path(`at-${event.totalSteps}`)));
        hold(saved.at(-1)!);
      },
    }),
  );
  const folders = await Promise.all(saved);
  const found = await Promise.all(folders.map(vectorsOf));
  expect(found.map((vectors) => states.indexOf(vectors))).toEqual([0, 0, 1, 1]);
  expect(folders.map((folder) => /unchanged|\| Weights of \| epoch 1 \|/.exec(card(folder))?.[0])).toEqual([
    'unchanged',
    'unchanged',
    '| Weights of | epoch 1 |',
    '| Weights of | epoch 1 |',
  ]);
});

test('after a run that was stopped, the best weights are saved, with a card that says so', async () => {
  const model = models.open(fixture('distilbert-mean'));
  const observed = start(model, rows, {
    ...learns,
    epochs: 3,
    onProgress: (event) => {
      if (event.type === 'step' && event.epoch === 2 && event.step === 2) observed.run.abort();
    },
  });
  await rejection(observed.run);
  const one = models.open(fixture('distilbert-mean'));
  expect((await finish(one, rows, { ...learns, epochs: 1 })).report.bestEpoch).toBe(1);
  const folder = await model.save(models.path('saved'));
  expect((await vectorsOf(folder)) === bits(await one.embed(PROBE_TEXTS))).toBe(true);
  expect(card(folder)).toContain('| Weights of | epoch 1 |');
});

test('a saved model is trained on as the one in memory is', async () => {
  const model = models.open(fixture('roberta-dense'));
  await finish(model, rows, { ...learns, validationSplit: 0 });
  const opened = models.open(await model.save(models.path('saved')));
  const [a, b] = [await finish(model, rows, learns), await finish(opened, rows, learns)];
  expect(b.of('step').map(({ loss }) => loss)).toEqual(a.of('step').map(({ loss }) => loss));
});

test('save leaves nothing native behind', async () => {
  const model = new TextVectorisation(fixture('bert-mean'));
  const live = await liveObjects();
  await model.save(models.path('saved'));
  await model.dispose();
  expect(await liveObjects()).toEqual(live);
});
