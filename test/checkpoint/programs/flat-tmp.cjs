'use strict';
// Does the same thing over and over and watches resident memory. argv[2] is JSON of { what: 'steps' | 'rounds', count, model,
// rows, folder }; run with --expose-gc. Prints JSON: bytes per step (or round) by least squares over the second half, what
// the engine holds at the end, and its live objects.
const path = require('node:path');
const fs = require('node:fs');
const { loadEngine } = require(path.resolve(__dirname, '../../../dist/engine/load.js'));
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const { what, count, model, rows, folder } = JSON.parse(process.argv[2]);
const options = {
  precision: 'fp32',
  batchSize: 4,
  effectiveBatchSize: 4,
  validationSplit: 0.2,
  earlyStopping: false,
  learningRate: 1e-5,
  merge: 1,
  loss: 'cosine-mse',
};
const samples = [];
const sample = (x) => {
  global.gc();
  samples.push([x, process.memoryUsage.rss()]);
};

/** Slope of a line through the points, in units of y per x. */
function slope(points) {
  const mean = (i) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const above = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return above / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

async function steps() {
  const perEpoch = Math.ceil((0.8 * rows.length) / 4);
  const tv = new TextVectorisation(model);
  await tv.finetune(rows, {
    ...options,
    epochs: Math.ceil(count / perEpoch),
    checkpoint: { folder, everySteps: 100, everyEpoch: false },
    onProgress: (event) => {
      if (event.type === 'step' && event.totalSteps % 20 === 0) sample(event.totalSteps);
    },
  });
  await tv.dispose();
}

async function rounds() {
  for (let round = 0; round < count; ++round) {
    const tv = new TextVectorisation(model);
    await tv.finetune(rows, { ...options, epochs: 1, checkpoint: { folder } });
    await tv.embed(['the old mill', 'rain']);
    await tv.dispose();
    fs.rmSync(folder, { recursive: true });
    if (round % 4 === 3) sample(round);
  }
}

async function main() {
  const engine = await loadEngine();
  await (what === 'steps' ? steps() : rounds());
  await engine.setThreads(engine.info().threads); // frees are done by then
  const half = samples.slice(samples.length / 2);
  console.log(
    JSON.stringify({
      slope: slope(half),
      samples: samples.length,
      rss: samples.at(-1)[1],
      growth: samples.at(-1)[1] - half[0][1],
      live: engine.liveObjects(),
      inUse: engine.memory().inUse,
    }),
  );
}

void main();
