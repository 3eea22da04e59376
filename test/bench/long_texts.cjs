// Time and memory of one text by its length, of a ModernBERT-base with random weights: embedding, and a training step
// of one pair, each after a short one. Memory is what the engine has allocated above the model's weights. Prints one JSON
// object a line; layers of a kind alone show what each costs by length.
//   node test/bench/long_texts.cjs [fp32|bf16] [lengths, 512,1024,…] [shape]
const { execFileSync } = require('node:child_process');
const { loadEngine } = require('../../dist/engine/load.js');

const [precision = 'fp32', asked = '512,1024,2048,4096,8192', shape] = process.argv.slice(2);
const SHORT = 64;
const lengths = asked.split(',').map(Number);
const whole = { window: null, ropeTheta: 160000, ropeDivisor: 1 };
const local = { window: 64, ropeTheta: 10000, ropeDivisor: 1 };

function spec(layers) {
  return {
    encoder: {
      architecture: 'modernbert',
      vocabSize: 50368,
      hiddenSize: 768,
      layers: layers.length,
      heads: 12,
      intermediateSize: 1152,
      positions: 8192,
      typeVocabSize: 0,
      positionOffset: 0,
      layerNormEps: 1e-5,
      hiddenActivation: 'gelu',
      hiddenDropout: 0,
      attentionDropout: 0,
      attention: layers,
    },
    head: [{ kind: 'pooling', modes: ['cls'] }, { kind: 'normalize' }],
  };
}

const SHAPES = {
  'modernbert-base': spec(Array.from({ length: 22 }, (_, i) => (i % 3 === 0 ? whole : local))),
  'two layers, window': spec([local, local]),
  'two layers, whole': spec([whole, whole]),
};

const idsOf = (count) => Int32Array.from({ length: count }, (_, i) => 3 + ((i * 7919) % 50000));

async function seconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** One length of one shape, in a process of its own, whose memory no other length has left behind. */
async function measure(name, length) {
  const engine = await loadEngine();
  const model = await engine.createModel(SHAPES[name], [], 7);
  const before = engine.memory().inUse;
  const embed = (count) => engine.embed(model, idsOf(count), Int32Array.of(0, count), precision);
  await embed(SHORT); // what is made once of the weights
  engine.resetPeak();
  const embedding = await seconds(() => embed(length));
  const embeddingPeak = engine.memory().peak - before;
  const dataset = await engine.createDataset(
    idsOf(2 * (SHORT + length)),
    Int32Array.of(0, SHORT, 2 * SHORT, 2 * SHORT + length, 2 * (SHORT + length)),
    Int32Array.of(0, 1, 2, 3),
    Int32Array.of(0, 2, 4),
    Float32Array.of(1, 1),
  );
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
  const step = (row) => engine.step(trainer, { rows: Int32Array.of(row), microBatch: 1, learningRate: 1e-5, epoch: 0 });
  await step(0); // moments and gradients are laid out
  engine.resetPeak();
  const training = await seconds(() => step(1));
  const megabytes = (bytes) => Math.round(bytes / 1e6);
  return {
    name,
    precision,
    length,
    embedding: Number(embedding.toFixed(3)),
    embeddingMegabytes: megabytes(embeddingPeak),
    trainingStep: Number(training.toFixed(3)),
    trainingMegabytes: megabytes(engine.memory().peak - before),
  };
}

async function main() {
  if (shape !== undefined) {
    console.log(JSON.stringify(await measure(shape, lengths[0])));
    return;
  }
  for (const name of Object.keys(SHAPES))
    for (const length of lengths)
      execFileSync(process.execPath, [__filename, precision, String(length), name], { stdio: 'inherit' });
}

void main();
