'use strict';
// argv[2], argv[3]: roots of two copies of the package. Loads and uses both in one process.
const path = require('node:path');
const { liveObjects, spec, stepRequest, training } = require('./engine.cjs');

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-dense/model');
const TEXTS = ['the old mill', 'rain fell on the boats'];
const pairs = Array.from({ length: 12 }, (_, i) => [TEXTS[i % 2], TEXTS[0]]);

const bits = (vectors) => vectors.map((vector) => Buffer.from(vector.buffer).toString('hex')).join(' ');

async function main() {
  const copies = process.argv.slice(2).map((root) => ({
    package: require(path.join(root, 'dist', 'index.js')),
    loadEngine: require(path.join(root, 'dist', 'engine', 'load.js')).loadEngine,
  }));
  if (copies[0].package === copies[1].package) throw new Error('this is one copy, loaded twice');
  const models = copies.map((copy) => new copy.package.TextVectorisation(MODEL));
  // Together, so that loading overlaps too.
  const vectors = await Promise.all(models.map((model) => model.embed(TEXTS)));
  if (bits(vectors[0]) !== bits(vectors[1])) throw new Error('the copies embed to other vectors');
  const run = (model) =>
    model.finetune(
      pairs,
      pairs.map((_, i) => i % 2),
      { epochs: 2, precision: 'fp32' },
    );
  const reports = await Promise.all(models.map(run));
  const losses = reports.map((report) => JSON.stringify(report.epochs.map(({ trainingLoss }) => trainingLoss)));
  if (losses[0] !== losses[1]) throw new Error(`the copies train to other losses: ${losses}`);
  await Promise.all(models.map((model) => model.dispose()));

  const engines = await Promise.all(copies.map(({ loadEngine }) => loadEngine()));
  console.log(engines[0] === engines[1] ? 'one addon' : 'two addons');
  if (engines[0] !== engines[1]) {
    // A handle of one addon is no handle to the other.
    const [a, b] = [await training(engines[0]), await training(engines[1])];
    const refused = await engines[1].step(a.trainer, stepRequest(a.all)).then(
      () => 'no',
      (error) => error.code,
    );
    let thrown = 'no';
    try {
      engines[0].disposeModel(b.model);
    } catch (error) {
      thrown = error.code;
    }
    console.log('refused', refused, thrown);
    const created = await engines[1].createTrainer(b.model, a.dataset, {}).then(
      () => 'no',
      (error) => error.code,
    );
    console.log('refused', created);
    for (const [engine, made] of [
      [engines[0], a],
      [engines[1], b],
    ]) {
      engine.disposeTrainer(made.trainer);
      engine.disposeDataset(made.dataset);
      engine.disposeModel(made.model);
    }
  }
  for (const engine of engines) {
    await engine.createModel(spec(), [], 1).then((model) => engine.disposeModel(model));
    const live = await liveObjects(engine);
    if (live.models + live.datasets + live.trainers !== 0) throw new Error(`left alive: ${JSON.stringify(live)}`);
  }
  console.log('both work');
}

void main();
