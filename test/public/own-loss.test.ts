import { Worker } from 'node:worker_threads';
import { join } from 'node:path';
import type { FinetuneOptions, LossBatch, OwnLoss } from '../../lib';
import { loadEngine } from '../../lib/engine/load';
import { bits, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { scoredRows } from './rows';
import { finish, rejection, start } from './runs';

/** A run with a loss of the caller's own. */

const models = useModels();
const rows = scoredRows(40);
const options: FinetuneOptions = {
  epochs: 2,
  batchSize: 3,
  effectiveBatchSize: 8,
  learningRate: 1e-3,
  precision: 'fp32',
  validationSplit: 0.25,
};

/** Mean squared error of the cosine, as the engine has it. */
function cosineMse(vectors: Float32Array, { rows: n, dimensions, labels }: LossBatch) {
  const gradient = new Float32Array(vectors.length);
  let loss = 0;
  for (let r = 0; r < n; ++r) {
    const [a, b] = [r * dimensions, (n + r) * dimensions];
    let [uv, uu, vv] = [0, 0, 0];
    for (let d = 0; d < dimensions; ++d) {
      uv += vectors[a + d]! * vectors[b + d]!;
      uu += vectors[a + d]! ** 2;
      vv += vectors[b + d]! ** 2;
    }
    const length = Math.sqrt(uu * vv);
    const off = uv / length - labels[r]!;
    loss += off ** 2 / n;
    for (let d = 0; d < dimensions; ++d) {
      gradient[a + d] = ((2 * off) / n) * (vectors[b + d]! / length - ((uv / length) * vectors[a + d]!) / uu);
      gradient[b + d] = ((2 * off) / n) * (vectors[a + d]! / length - ((uv / length) * vectors[b + d]!) / vv);
    }
  }
  return { loss, gradient };
}

/** One that does `what` in its nth call in training, from 1. */
function spoilt(nth: number, what: (right: ReturnType<typeof cosineMse>) => ReturnType<OwnLoss['compute']>): OwnLoss {
  let calls = 0;
  return {
    name: 'spoilt',
    compute(vectors, batch) {
      const right = cosineMse(vectors, batch);
      return batch.purpose === 'training' && ++calls === nth ? what(right) : right;
    },
  };
}

const losses = ({ of }: Awaited<ReturnType<typeof finish>>) => of('step').map(({ loss }) => loss);

test('trains as the same loss of the engine does', async () => {
  const theirs = models.open(fixture('bert-mean'));
  const expected = await finish(theirs, rows, { ...options, loss: 'cosine-mse', dropout: 0.1 });
  const seen: LossBatch[] = [];
  const own = models.open(fixture('bert-mean'));
  const found = await finish(own, rows, {
    ...options,
    dropout: 0.1,
    loss: {
      name: 'mine',
      checkGradient: true,
      compute(vectors, batch) {
        seen.push(batch);
        return cosineMse(vectors, batch);
      },
    },
  });
  expect(losses(found)).toHaveLength(losses(expected).length);
  losses(found).forEach((loss, i) => expect(loss).toBeCloseTo(losses(expected)[i]!, 5));
  expect(found.report.after!.loss).toBeCloseTo(expected.report.after!.loss, 5);
  expect(found.report.after!.spearman).toBeCloseTo(expected.report.after!.spearman!, 2);
  const [a, b] = [await theirs.embed(PROBE_TEXTS), await own.embed(PROBE_TEXTS)];
  a.forEach((vector, i) => vector.forEach((x, d) => expect(b[i]![d]).toBeCloseTo(x, 3)));
  expect(found.report.loss).toEqual({ name: 'own', own: 'mine' });
  // Rows by their numbers in the data, and their labels.
  for (const { indices, labels, labelWidth } of seen) {
    expect(labelWidth).toBe(1);
    indices.forEach((row, i) => expect(labels[i]).toBeCloseTo(rows[row]!.score, 6));
  }
  expect(new Set(seen.map(({ purpose }) => purpose))).toEqual(new Set(['training', 'validation']));
});

test.each([
  [
    'an error in it',
    spoilt(4, () => Promise.reject(new TypeError('no such word'))),
    /spoilt threw in training: no such w/,
  ],
  [
    'a loss that is not finite',
    spoilt(4, ({ gradient }) => ({ loss: Infinity, gradient })),
    /gave Infinity as the loss/,
  ],
  ['a gradient of another length', spoilt(4, ({ loss }) => ({ loss, gradient: new Float32Array(3) })), /of 3 numbers/],
  [
    'a gradient that is not finite',
    spoilt(4, ({ loss, gradient }) => ({ loss, gradient: gradient.fill(NaN, 5, 6) })),
    /a gradient with NaN at \[5\] \(text 0 of row 0 of the batch, number 5\)/,
  ],
])('%s ends the run and keeps the best weights', async (_, loss, message) => {
  const model = models.open(fixture('bert-mean'));
  const run = start(model, rows, { ...options, loss });
  await expect(run.run).rejects.toMatchObject({
    name: 'LossError',
    code: 'ERR_LOSS',
    message: expect.stringMatching(message) as string,
  });
  expect(run.of('step')).toHaveLength(3);
  const untouched = models.open(fixture('bert-mean'));
  expect(bits(await model.embed(PROBE_TEXTS))).toEqual(bits(await untouched.embed(PROBE_TEXTS)));
  // And the model trains on.
  await finish(model, rows, { ...options, epochs: 1 });
});

test('an error in a later validation keeps what was best before', async () => {
  const model = models.open(fixture('bert-mean'));
  let validations = 0;
  const run = start(model, rows, {
    ...options,
    loss: {
      compute(vectors, batch) {
        if (batch.purpose === 'validation' && ++validations > 2 * Math.ceil(10 / 8)) throw new Error('no more');
        return cosineMse(vectors, batch);
      },
    },
  });
  const best = run.first('validation').then(() => undefined);
  await expect(run.run).rejects.toThrow(/The loss own threw in validation: no more/);
  await best;
  expect(run.of('validation').map(({ epoch }) => epoch)).toEqual([0, 1]);
});

test('checkGradient names the number whose gradient is another', async () => {
  const model = models.open(fixture('bert-mean'));
  const wrong: OwnLoss = {
    checkGradient: true,
    compute(vectors, batch) {
      const right = cosineMse(vectors, batch);
      right.gradient[right.gradient.length - 2]! += 0.1;
      return right;
    },
  };
  const error = (await rejection(model.finetune(rows, { ...options, loss: wrong }))) as Error;
  expect(error).toMatchObject({ name: 'LossError', code: 'ERR_LOSS_GRADIENT' });
  expect(error.message).toMatch(
    /as the gradient at \[\d+\] \(text 1 of row 7 of the batch, number \d+\), but by finite/,
  );
});

test('one that never answers does not keep a run from stopping', async () => {
  const model = models.open(fixture('bert-mean'));
  const run = start(model, rows, {
    ...options,
    validationSplit: 0,
    loss: spoilt(2, () => new Promise(() => undefined)),
  });
  await run.first('step');
  run.run.abort('enough');
  await expect(run.run).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: 'enough' });
});

test('it may ask another model for vectors', async () => {
  const teacher = models.open(fixture('bert-mean'));
  const model = models.open(fixture('bert-mean'));
  const { report } = await finish(model, rows, {
    ...options,
    epochs: 1,
    loss: {
      async compute(vectors, batch) {
        const [vector] = await teacher.embed([rows[batch.indices[0]!]!.text1]);
        expect(vector).toHaveLength(batch.dimensions);
        return cosineMse(vectors, batch);
      },
    },
  });
  expect(report.epochs).toHaveLength(1);
});

test('a step that runs out of memory in the second phase is done again', async () => {
  const addon = await loadEngine();
  const plain = await finish(models.open(fixture('bert-mean')), rows, { ...options, loss: { compute: cosineMse } });
  let armed = false;
  const scarce = await finish(models.open(fixture('bert-mean')), rows, {
    ...options,
    loss: spoilt(2, (right) => {
      addon.failAllocation(4); // the gradient has come to the engine by then
      armed = true;
      return right;
    }),
  });
  addon.failAllocation(0);
  expect(armed).toBe(true);
  expect(scarce.of('out-of-memory')).toMatchObject([{ during: 'step', batchSize: 3, next: 1 }]);
  expect(losses(scarce)).toHaveLength(losses(plain).length);
  losses(scarce).forEach((loss, i) => expect(loss).toBeCloseTo(losses(plain)[i]!, 5));
});

test('a run goes on from its checkpoint to the same bits, where it is the same loss', async () => {
  const folder = models.path('checkpoints');
  const loss = (version: number): OwnLoss => ({ name: 'mine', version, compute: cosineMse });
  const whole = models.open(fixture('bert-mean'));
  const expected = await finish(whole, rows, { ...options, loss: loss(1) });
  const cut = models.open(fixture('bert-mean'));
  const run = start(cut, rows, {
    ...options,
    loss: loss(1),
    checkpoint: { folder, everySteps: 1 },
    onProgress: (event) => {
      if (event.type === 'step' && event.totalSteps === 5) run.run.abort();
    },
  });
  await rejection(run.run);
  const other = models.open(fixture('bert-mean'));
  await expect(other.finetune(rows, { ...options, loss: loss(2), resume: folder })).rejects.toMatchObject({
    code: 'ERR_CHECKPOINT_MISMATCH',
    message: expect.stringMatching(/loss\.version/) as string,
  });
  const resumed = models.open(fixture('bert-mean'));
  const rest = await finish(resumed, rows, { ...options, loss: loss(1), resume: folder });
  const done = losses(expected).length - losses(rest).length;
  expect(done).toBeGreaterThanOrEqual(5);
  expect(losses(rest)).toEqual(losses(expected).slice(done));
  expect(bits(await resumed.embed(PROBE_TEXTS))).toEqual(bits(await whole.embed(PROBE_TEXTS)));
});

test('in a worker', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { TextVectorisation } = require(workerData.dist);
    void (async () => {
      const tv = new TextVectorisation(workerData.model);
      let calls = 0;
      const report = await tv.finetune(workerData.rows, {
        ...workerData.options,
        folds: 1,
        loss: {
          compute(vectors) {
            ++calls;
            return { loss: vectors.reduce((sum, x) => sum + x * x, 0) / 2, gradient: vectors };
          },
        },
      });
      await tv.dispose();
      parentPort.postMessage({ calls, steps: report.steps, before: report.before.loss, after: report.after.loss });
    })();`;
  const worker = new Worker(program, {
    eval: true,
    workerData: { dist: join(__dirname, '../../dist/index.js'), model: fixture('bert-mean'), rows, options },
  });
  const found = await new Promise<{ calls: number; steps: number; before: number; after: number }>((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  );
  await worker.terminate();
  expect(found.calls).toBeGreaterThan(found.steps);
  expect(found.after).toBeLessThan(found.before);
});

test('what it is must be told in full', async () => {
  const model = models.open(fixture('bert-mean'));
  const refused = async (loss: unknown) =>
    (await rejection(model.finetune(rows, { ...options, loss: loss as never }))) as Error;
  expect((await refused({ compute: 7 })).message).toMatch(/loss\.compute must be a function, but is 7/);
  expect((await refused({ compute: cosineMse, checkGradients: true })).message).toMatch(/checkGradient/);
  expect((await refused({ name: 'matryoshka', loss: { compute: cosineMse }, matryoshka_dims: [8] })).message).toMatch(
    /loss\.loss is a loss of your own, which stands alone/,
  );
  const ragged = rows.map(({ text1, text2 }, i) => ({
    anchor: text1,
    positive: text2,
    negative: i === 3 ? [text1, 'a'] : ['b'],
  }));
  const error = (await rejection(model.finetune(ragged, { ...options, loss: { compute: cosineMse } }))) as Error;
  expect(error.message).toMatch(/needs rows of as many texts each, but row 0 has 3 and row 3 has 4/);
});

afterAll(async () => {
  expect((await liveObjects()).trainers).toBe(0);
});
