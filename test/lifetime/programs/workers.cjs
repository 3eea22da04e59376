'use strict';
// argv[2]: scenario; argv[3]: rounds. Workers run this file too, told by `workerData`.
const { once } = require('node:events');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const { liveObjects, loadEngine, spec, startLongStep, stepRequest, training } = require('./engine.cjs');

async function work(task) {
  const engine = await loadEngine();
  const made = await training(engine, { long: task === 'in a step' });
  switch (task) {
    case 'in a step':
      await startLongStep(engine, made);
      parentPort.postMessage('in a step');
      break;
    case 'queue':
      for (let i = 0; i < 200; ++i) void engine.step(made.trainer, stepRequest(made.all));
      parentPort.postMessage('queued');
      break;
    case 'create':
      void engine.createModel(spec({ hiddenSize: 256, layers: 8 }), [], 1);
      parentPort.postMessage('creating');
      break;
    case 'train': {
      const losses = [];
      for (let i = 0; i < 20; ++i) losses.push((await engine.step(made.trainer, stepRequest(made.all))).loss);
      parentPort.postMessage(losses);
      break;
    }
    case 'exit':
      await engine.step(made.trainer, stepRequest(made.all));
      parentPort.postMessage('stepped');
      process.exit(0);
  }
}

/** Makes a worker, waits for its first message and for its end; with `terminate`, ends it at that message. */
async function round(task, terminate) {
  const worker = new Worker(__filename, { workerData: task });
  const ended = once(worker, 'exit');
  const [message] = await once(worker, 'message');
  if (terminate) await worker.terminate();
  await ended;
  return message;
}

async function nothingLives(engine) {
  const live = await liveObjects(engine);
  if (live.models + live.datasets + live.trainers !== 0) throw new Error(`left alive: ${JSON.stringify(live)}`);
  if (engine.memory().inUse !== 0) throw new Error(`bytes left: ${engine.memory().inUse}`);
}

const scenarios = {
  /** Only workers load the engine, one after the other: it starts and stops with each. */
  async 'in turn'(rounds) {
    for (let i = 0; i < rounds; ++i) await round('train', false);
  },
  async 'terminate in a step'(rounds) {
    for (let i = 0; i < rounds; ++i) await round('in a step', true);
    await nothingLives(await loadEngine());
  },
  /** The main thread keeps the engine alive, so that the terminated worker's step is cut off by its own end. */
  async 'terminate in a step beside main'(rounds) {
    const engine = await loadEngine();
    for (let i = 0; i < rounds; ++i) {
      const start = Date.now();
      await round('in a step', true);
      await liveObjects(engine); // queued behind the worker's step
      if (Date.now() - start > 30000) throw new Error("the terminated worker's step was not cut off");
    }
    await nothingLives(engine);
  },
  async 'terminate with a queue'(rounds) {
    const engine = await loadEngine();
    for (let i = 0; i < rounds; ++i) await round('queue', true);
    await nothingLives(engine);
  },
  async 'terminate while creating'(rounds) {
    const engine = await loadEngine();
    for (let i = 0; i < rounds; ++i) await round('create', true);
    await nothingLives(engine);
  },
  async 'exit of a worker'(rounds) {
    for (let i = 0; i < rounds; ++i) await round('exit', false);
  },
  async 'exit of the process with workers in a step'() {
    for (let i = 0; i < 2; ++i) {
      const worker = new Worker(__filename, { workerData: 'train' });
      await once(worker, 'message');
    }
    const worker = new Worker(__filename, { workerData: 'in a step' });
    await once(worker, 'message');
    process.exit(0);
  },
  /** Main and five workers at once: all see the losses that one alone sees. */
  async 'at once'() {
    const engine = await loadEngine();
    const alone = await round('train', false);
    const workers = Array.from({ length: 5 }, () => round('train', false));
    const made = await training(engine);
    const losses = [];
    for (let i = 0; i < 20; ++i) losses.push((await engine.step(made.trainer, stepRequest(made.all))).loss);
    for (const other of [losses, ...(await Promise.all(workers))]) {
      if (JSON.stringify(other) !== JSON.stringify(alone)) throw new Error(`losses differ: ${other} and ${alone}`);
    }
    engine.disposeTrainer(made.trainer);
    engine.disposeDataset(made.dataset);
    engine.disposeModel(made.model);
    await nothingLives(engine);
  },
};

if (isMainThread) {
  void scenarios[process.argv[2]](Number(process.argv[3] ?? 1)).then(() => console.log('all rounds done'));
} else {
  void work(workerData);
}
