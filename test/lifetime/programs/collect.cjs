'use strict';
// argv[2]: what is let go without being disposed. Run with --expose-gc.
const path = require('node:path');
const { liveObjects, loadEngine, stepRequest, training } = require('./engine.cjs');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-mean/model');

const things = {
  async handles(engine) {
    for (let i = 0; i < 10; ++i) {
      const made = await training(engine);
      await engine.step(made.trainer, stepRequest(made.all));
    }
  },
  /** The jobs hold what they use: they end well though nobody holds the handles. */
  async 'handles with work that is queued'(engine) {
    const steps = [];
    for (let i = 0; i < 10; ++i) {
      const { trainer, all } = await training(engine);
      steps.push(engine.step(trainer, stepRequest(all)));
    }
    global.gc();
    for (const { loss } of await Promise.all(steps)) if (!Number.isFinite(loss)) throw new Error(`loss ${loss}`);
  },
  async models() {
    for (let i = 0; i < 10; ++i) await new TextVectorisation(MODEL).embed('the old mill');
  },
  async 'models that were trained'() {
    for (let i = 0; i < 3; ++i) {
      const pairs = [
        ['the mill', 'the old mill'],
        ['rain', 'bread'],
      ];
      await new TextVectorisation(MODEL).finetune(pairs, [1, 0], { epochs: 1, validationSplit: 0 });
    }
  },
};

async function main() {
  const engine = await loadEngine();
  await things[process.argv[2]](engine);
  // Finalizers run in a turn of the event loop after a collection, frees on the engine's thread.
  for (let i = 0; i < 50; ++i) {
    global.gc();
    await new Promise(setImmediate);
    const live = await liveObjects(engine);
    if (live.models + live.datasets + live.trainers === 0 && engine.memory().inUse === 0) {
      console.log('all freed');
      return;
    }
  }
  console.log('left', JSON.stringify(await liveObjects(engine)), engine.memory().inUse);
}

void main();
