'use strict';
// Loads, embeds and trains on whatever part of the processor the environment leaves, and prints what came out.
const path = require('node:path');
const { loadEngine } = require('./engine.cjs');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-dense/model');
const TEXTS = ['the old mill', 'rain fell on the boats'];

async function main() {
  const tv = new TextVectorisation(MODEL);
  const [vector] = await tv.embed(TEXTS);
  const pairs = Array.from({ length: 12 }, (_, i) => [TEXTS[i % 2], TEXTS[0]]);
  // The precision is the processor's choice.
  const report = await tv.finetune(
    pairs,
    pairs.map((_, i) => i % 2),
    { epochs: 1, seed: 1, loss: 'cosine-mse' },
  );
  const { simd, gemm, bf16 } = (await loadEngine()).info();
  await tv.dispose();
  console.log(
    JSON.stringify({ simd, gemm, bf16, precision: report.precision, loss: report.after.loss, vector: [...vector] }),
  );
}
void main();
