'use strict';
// What the programs of this folder share: each is run by a test as a process of its own, in plain Node.
const path = require('node:path');
const { loadEngine } = require(path.resolve(__dirname, '../../../dist/engine/load.js'));

/** A small BERT with mean pooling; `size` scales its cost. */
function spec({ hiddenSize = 32, layers = 2 } = {}) {
  return {
    encoder: {
      architecture: 'bert',
      vocabSize: 200,
      hiddenSize,
      layers,
      heads: 4,
      intermediateSize: 4 * hiddenSize,
      positions: 128,
      typeVocabSize: 2,
      positionOffset: 0,
      layerNormEps: 1e-12,
      hiddenActivation: 'gelu',
      hiddenDropout: 0.1,
      attentionDropout: 0.1,
    },
    head: [{ kind: 'pooling', modes: ['mean'] }, { kind: 'normalize' }],
  };
}

const trainerOptions = {
  precision: 'fp32',
  loss: { name: 'cosine-mse' },
  seed: 1,
  dropout: null,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.01,
  biasCorrection: true,
  maxGradientNorm: 1,
  freeze: [],
  memoryLimit: null,
};

/** `texts` texts of `length` tokens each. */
function texts(count, length) {
  const ids = new Int32Array(count * length).map((_, i) => 1 + ((i * 31) % 199));
  const offsets = new Int32Array(count + 1).map((_, i) => i * length);
  return { ids, offsets };
}

/** Columns and their offsets of rows of two texts: texts 2i and 2i + 1 are row i's. */
function pairsOf(rows) {
  return [new Int32Array(2 * rows).map((_, i) => i), new Int32Array(rows + 1).map((_, i) => 2 * i)];
}

/** A model, 32 pairs and a trainer. With `long`, a step on `all` takes seconds: time to end in the middle of it. */
async function training(engine, { long = false } = {}) {
  const pairs = 32;
  const model = await engine.createModel(spec(long ? { hiddenSize: 256, layers: 8 } : {}), [], 7);
  const { ids, offsets } = texts(2 * pairs, long ? 120 : 8);
  const scores = new Float32Array(pairs).map((_, i) => (i % 4) / 3);
  const dataset = await engine.createDataset(ids, offsets, ...pairsOf(pairs), scores);
  const trainer = await engine.createTrainer(model, dataset, trainerOptions);
  const all = new Int32Array(long ? 8 * pairs : pairs).map((_, i) => i % pairs);
  return { model, dataset, trainer, all };
}

const stepRequest = (rows) => ({ rows, microBatch: 4, learningRate: 1e-4, epoch: 0 });

/**
 * Starts a long step and resolves when the engine is inside it; a step that ends says so on standard output. Does
 * not return the step: an async function would wait for it.
 */
async function startLongStep(engine, { trainer, all }) {
  const step = engine.step(trainer, stepRequest(all));
  step.then(
    () => console.log('step ended'),
    (error) => console.log(`step rejected ${error.code}`),
  );
  while (engine.trainerStats(trainer).workspaceRows === 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Frees happen on the engine thread: waits for those asked for so far, and returns the counts. */
async function liveObjects(engine) {
  await engine.setThreads(engine.info().threads);
  return engine.liveObjects();
}

module.exports = {
  liveObjects,
  loadEngine,
  pairsOf,
  spec,
  startLongStep,
  stepRequest,
  texts,
  trainerOptions,
  training,
};
