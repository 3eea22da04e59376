'use strict';
// What the event loop is given at once, and what it waits for: tells as JSON what was seen (event-loop.test.ts).
const path = require('node:path');
const tokenizers = require('tokenizers');
const { Tokenizer } = tokenizers;
const { loadEngine, startLongStep, training } = require('./engine.cjs');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-dense/model');
const seen = { tokenised: [], units: [], embedded: [], stepped: [], evaluated: [], sameTurn: 0, waited: [], first: [] };

/** Turns of the event loop so far. */
let turns = 0;
const turn = () => {
  ++turns;
  immediate = setImmediate(turn);
};
let immediate = setImmediate(turn);

/** Replaces a function by one that notes how much each call is given, and whether the loop has turned since the last. */
function watch(object, name, note) {
  const real = object[name];
  let last = -1;
  object[name] = function (...args) {
    note(args);
    if (turns === last) ++seen.sameTurn;
    last = turns;
    return real.apply(this, args);
  };
}

/** What a process that has loaded nothing yet uses first: the tokenizers library, or LibTorch. */
async function loading() {
  const { findAddons } = require(path.resolve(__dirname, '../../../dist/engine/addons.js'));
  const loader = require((await findAddons()).loader);
  const { open } = loader;
  loader.open = (...args) => (seen.first.push('LibTorch'), open(...args));
  tokenizers.Tokenizer = { fromString: (text) => (seen.first.push('tokenizers'), Tokenizer.fromString(text)) };
  const model = new TextVectorisation(MODEL);
  await model.load();
  await model.dispose();
  Object.assign(loader, { open });
  Object.assign(tokenizers, { Tokenizer });
}

async function pieces(engine) {
  watch(Tokenizer.prototype, 'encodeBatch', ([texts]) => {
    seen.tokenised.push(texts.length);
    seen.units.push(texts.reduce((sum, text) => sum + text.length, 0));
  });
  watch(engine, 'embed', ([, , offsets]) => seen.embedded.push(offsets.length - 1));
  const { step, evaluate } = engine;
  engine.step = (trainer, request) => (seen.stepped.push(request.rows.length), step(trainer, request));
  engine.evaluate = (trainer, rows, ...rest) => (seen.evaluated.push(rows.length), evaluate(trainer, rows, ...rest));
  const model = new TextVectorisation(MODEL);
  const long = Array.from({ length: 40 }, (_, i) => `${'the old mill '.repeat(3000)}${i}`); // 39,000 units each
  await model.embed([...Array.from({ length: 3000 }, (_, i) => `the old mill ${i}`), ...long]);
  const pairs = Array.from(
    { length: 4000 },
    (_, i) =>
      [
        [`${i} the old mill`, `${i} the quiet mill`], // a text that is there twice is tokenised once
        [`${i} rain`, `${i} bread`],
      ][i % 2],
  );
  await model.finetune(
    pairs,
    pairs.map((_, i) => 1 - (i % 2)),
    { recipe: 'notebook', epochs: 1, effectiveBatchSize: 64, precision: 'fp32', maxInputLength: 8 },
  );
  await model.dispose();
  Object.assign(engine, { step, evaluate });
}

/** While the engine is in a step, what gives no promise comes back at once. */
async function calls(engine) {
  const made = await training(engine, { long: true });
  const other = await training(engine);
  let ended = false;
  const { step } = engine;
  engine.step = (...args) => {
    const promise = step(...args);
    promise.then(
      () => {
        ended = true;
      },
      () => {
        ended = true;
      },
    );
    return promise;
  };
  console.log = () => {}; // startLongStep tells of the step's end
  await startLongStep(engine, made);
  const synchronous = {
    info: () => engine.info(),
    memory: () => engine.memory(),
    liveObjects: () => engine.liveObjects(),
    trainerStats: () => engine.trainerStats(made.trainer),
    parameters: () => engine.parameters(made.model),
    setTrainerLimit: () => engine.setTrainerLimit(made.trainer, null),
    keepAlive: () => engine.keepAlive(made.trainer, true),
    'step, queued': () =>
      void engine.step(other.trainer, { rows: other.all, microBatch: 4, learningRate: 1e-4, epoch: 0 }).catch(() => {}),
    'cancel another': () => engine.cancel(other.trainer),
    'dispose another': () => {
      engine.disposeTrainer(other.trainer);
      engine.disposeDataset(other.dataset);
      engine.disposeModel(other.model);
    },
  };
  for (const [name, call] of Object.entries(synchronous)) {
    ended = false;
    call();
    // Had it waited for the engine, the step's end would be the next that is told.
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    if (ended) seen.waited.push(name);
  }
  engine.cancel(made.trainer);
  engine.disposeTrainer(made.trainer);
}

async function main() {
  await loading();
  const engine = await loadEngine();
  await pieces(engine);
  await calls(engine);
  clearImmediate(immediate);
  process.stdout.write(JSON.stringify(seen));
}
void main();
