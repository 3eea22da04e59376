'use strict';
// argv[2]: folder to which VECTUNE_LIBTORCH is set for a first try. What is there cannot be loaded; then the variable
// is as it was before, and the same process must load.
const path = require('node:path');
const { loadEngine } = require('./engine.cjs');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-mean/model');

async function main() {
  const { VECTUNE_LIBTORCH: before } = process.env;
  const model = new TextVectorisation(MODEL);
  process.env.VECTUNE_LIBTORCH = process.argv[2];
  const failures = await Promise.allSettled([loadEngine(), loadEngine(), model.embed('a'), model.load()]);
  console.log('first', ...failures.map(({ reason }) => `${reason?.name} ${reason?.code}`));
  if (before === undefined) delete process.env.VECTUNE_LIBTORCH;
  else process.env.VECTUNE_LIBTORCH = before;
  const [engine, again, vector] = await Promise.all([loadEngine(), loadEngine(), model.embed('a')]);
  console.log('then', engine === again, typeof engine.info().libtorch, vector.length);
  await model.dispose();
  console.log('done');
}

void main();
