'use strict';
// argv[2]: scenario; argv[3]: rounds. Workers run this file too, told by `workerData`.
const { once } = require('node:events');
const { readdirSync, readFileSync } = require('node:fs');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const path = require('node:path');
const { liveObjects, loadEngine, spec, startLongStep, stepRequest, training } = require('./engine.cjs');

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-dense/model');
const pairs = Array.from(
  { length: 24 },
  (_, i) =>
    [
      ['the old mill', 'the quiet mill'],
      ['rain', 'bread'],
    ][i % 2],
);

/** Runs of the public surface on scored pairs, positives and classes, and a vector of the model that they gave. */
async function finetune() {
  const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));
  const model = new TextVectorisation(MODEL);
  const scores = pairs.map((_, i) => 1 - (i % 2));
  const options = { epochs: 3, earlyStopping: false, precision: 'fp32' };
  const texts = pairs.map(([text], i) => `${text} ${['boats', 'kite', 'bridge'][i % 3]}`);
  const reports = [
    await model.finetune(pairs, scores, options),
    await model.finetune(
      texts.map((text, i) => [text, pairs[i][1]]),
      { ...options, loss: 'multiple-negatives-ranking' },
    ),
    await model.finetune(
      texts,
      texts.map((_, i) => i % 2),
      { ...options, loss: 'batch-hard-triplet' },
    ),
  ];
  const vector = await model.embed('the old mill');
  await model.dispose();
  const losses = reports.flatMap(({ epochs }) => epochs.map(({ trainingLoss }) => trainingLoss));
  return [losses, Buffer.from(vector.buffer).toString('hex')];
}

async function work(task) {
  if (task === 'finetune') {
    parentPort.postMessage(await finetune());
    return;
  }
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
    case 'queue to its end': {
      const steps = Array.from({ length: 200 }, () => engine.step(made.trainer, stepRequest(made.all)));
      parentPort.postMessage('queued');
      await Promise.all(steps);
      parentPort.postMessage('all');
      break;
    }
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

/** Waits until no thread of the engine is left: its code may be unmapped with the last environment that had it. */
async function noThreads() {
  const left = () =>
    readdirSync('/proc/self/task')
      .map((id) => {
        try {
          return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
        } catch {
          return ''; // it has just ended
        }
      })
      .filter((name) => name.startsWith('vectune'));
  for (const start = Date.now(); left().length > 0; ) {
    if (Date.now() - start > 5000) throw new Error(`threads left: ${left()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
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
  /** With OMP_NUM_THREADS=1: OpenMP keeps a thread of its team, under the name of the one that made it. */
  async 'the last one takes the threads along'() {
    await round('train', false);
    await noThreads();
    await round('exit', false);
    await noThreads();
    await round('in a step', true);
    await noThreads();
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
  /** A worker that has queued 200 steps keeps the main thread waiting for one at a time. */
  async 'a queue beside main'() {
    const engine = await loadEngine();
    const made = await training(engine);
    const worker = new Worker(__filename, { workerData: 'queue to its end' });
    const ended = once(worker, 'exit');
    let all = false;
    await once(worker, 'message');
    worker.on('message', (message) => (all ||= message === 'all'));
    for (let i = 0; i < 5; ++i) await engine.step(made.trainer, stepRequest(made.all));
    if (all) throw new Error("the main thread's steps came after all of the worker's");
    await ended;
    if (!all) throw new Error("the worker's steps did not come to their end");
  },
  /** Main and five workers fine-tune at once: each gets what one alone gets. */
  async 'finetune at once'() {
    const alone = JSON.stringify(await finetune());
    const all = await Promise.all([finetune(), ...Array.from({ length: 5 }, () => round('finetune', false))]);
    for (const other of all) if (JSON.stringify(other) !== alone) throw new Error(`runs differ: ${other} and ${alone}`);
    await nothingLives(await loadEngine());
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
