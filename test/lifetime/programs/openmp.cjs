'use strict';
// argv[2]: a shared library that uses an OpenMP, mapped and used before vectune's; or nothing, where it was preloaded.
const fs = require('node:fs');
const path = require('node:path');
const { constants } = require('node:os');
const { liveObjects, loadEngine, stepRequest, training } = require('./engine.cjs');

async function main() {
  // The library runs a parallel region when it is mapped, so that its threads are there.
  if (process.argv[2] !== undefined) {
    try {
      process.dlopen({ exports: {} }, process.argv[2], constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL);
    } catch (error) {
      if (!/self-register/.test(error.message)) throw error; // it is no addon, but it is mapped
    }
  }
  const engine = await loadEngine();
  const made = await training(engine);
  const losses = [];
  for (let i = 0; i < 5; ++i) losses.push((await engine.step(made.trainer, stepRequest(made.all))).loss);
  const mapped = new Set(
    fs
      .readFileSync('/proc/self/maps', 'utf8')
      .match(/\S*lib[a-z]*omp\S*/g)
      .map((file) => path.basename(file)),
  );
  engine.disposeTrainer(made.trainer);
  engine.disposeDataset(made.dataset);
  engine.disposeModel(made.model);
  const live = await liveObjects(engine);
  console.log(JSON.stringify({ losses, mapped: [...mapped].sort(), live }));
}

void main();
