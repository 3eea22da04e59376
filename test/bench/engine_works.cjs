// node engine_works.cjs [rounds]: works of the engine of the tree that this file lies in, on random weights; a line of JSON
// each: { name, ms } (median of the rounds), at last { name: 'peak', mb }.
const { loadEngine } = require('../../dist/engine/load.js');

const rounds = Number(process.argv[2] ?? 7);
const encoder = (own) => ({
  architecture: 'bert',
  vocabSize: 8000,
  hiddenSize: 384,
  layers: 6,
  heads: 12,
  intermediateSize: 1536,
  positions: 512,
  typeVocabSize: 2,
  positionOffset: 0,
  layerNormEps: 1e-12,
  hiddenActivation: 'gelu',
  hiddenDropout: 0.1,
  attentionDropout: 0.1,
  ...own,
});
const mean = { kind: 'pooling', modes: ['mean'] };
const shapes = {
  minilm: { encoder: encoder({}), head: [mean, { kind: 'normalize' }] },
  distiluse: {
    encoder: encoder({ architecture: 'distilbert', hiddenSize: 768, intermediateSize: 3072, typeVocabSize: 0 }),
    head: [mean, { kind: 'dense', inFeatures: 768, outFeatures: 512, bias: true, activation: 'tanh' }],
  },
};
const trained = {
  minilm: [
    ['fp32', 16],
    ['fp32', 128],
    ['bf16', 16],
    ['bf16', 128],
  ],
  distiluse: [['fp32', 16]],
};

/** Texts of 6 to 30 tokens, two a row. */
function rowsOf(count) {
  const offsets = new Int32Array(2 * count + 1);
  for (let i = 0; i < 2 * count; ++i) offsets[i + 1] = offsets[i] + 6 + ((i * 37) % 25);
  const ids = Int32Array.from({ length: offsets[2 * count] }, (_, i) => 3 + ((i * 7919) % 7900));
  const columns = Int32Array.from({ length: 2 * count }, (_, i) => i);
  const starts = Int32Array.from({ length: count + 1 }, (_, i) => 2 * i);
  return { ids, offsets, columns, starts, scores: Float32Array.from({ length: count }, (_, i) => (i % 5) / 4) };
}

async function timed(name, work) {
  await work();
  const times = [];
  for (let i = 0; i < rounds; ++i) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  console.log(JSON.stringify({ name, ms: times[rounds >> 1] }));
}

async function main() {
  const engine = await loadEngine();
  for (const [shape, spec] of Object.entries(shapes)) {
    const model = await engine.createModel(spec, [], 7);
    for (const [precision, count] of trained[shape]) {
      const { ids, offsets, columns, starts, scores } = rowsOf(count);
      const dataset = await engine.createDataset(ids, offsets, columns, starts, scores);
      const trainer = await engine.createTrainer(model, dataset, {
        loss: { name: 'cosine-mse' },
        precision,
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
      });
      const request = {
        rows: starts.slice(0, count).map((_, i) => i),
        microBatch: count,
        learningRate: 1e-5,
        epoch: 0,
      };
      await timed(`${shape}, a training step of ${count} pairs, ${precision}`, () => engine.step(trainer, request));
      engine.disposeTrainer(trainer);
      engine.disposeDataset(dataset);
    }
    const { ids, offsets } = rowsOf(32);
    for (const precision of ['fp32', 'bf16', 'int8'])
      await timed(`${shape}, 64 texts embedded, ${precision}`, () => engine.embed(model, ids, offsets, precision));
    const one = ids.slice(0, offsets[1]);
    await timed(`${shape}, one text 20 times, fp32`, async () => {
      for (let i = 0; i < 20; ++i) await engine.embed(model, one, offsets.slice(0, 2), 'fp32');
    });
    engine.disposeModel(model);
  }
  console.log(JSON.stringify({ name: 'peak', mb: process.resourceUsage().maxRSS / 1000 }));
}

void main();
