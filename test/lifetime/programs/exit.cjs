'use strict';
// argv[2]: how the process ends.
const { once } = require('node:events');
const { writeSync } = require('node:fs');
const path = require('node:path');
const { inspect } = require('node:util');
const { Worker } = require('node:worker_threads');
const { training, startLongStep, stepRequest, loadEngine } = require('./engine.cjs');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-dense/model');
const pairs = Array.from(
  { length: 40 },
  (_, i) =>
    [
      ['the old mill', 'the quiet mill'],
      ['rain', 'bread'],
    ][i % 2],
);

/** Starts a run of the public surface and resolves when it is at its steps. */
async function startFinetune(epochs) {
  let begun;
  const stepping = new Promise((resolve) => (begun = resolve));
  const onProgress = ({ kind }) => kind === 'step' && begun();
  const scores = pairs.map((_, i) => 1 - (i % 2));
  const run = new TextVectorisation(MODEL).finetune(pairs, scores, {
    epochs,
    folds: 1,
    earlyStopping: false,
    precision: 'fp32',
    onProgress,
  });
  run.then(
    ({ epochs: done }) => console.log(`run of ${done.length} epochs ended`),
    (error) => console.log(`run rejected ${error.code}`),
  );
  await stepping;
}

async function main(ending) {
  const engine = await loadEngine();
  if (ending === 'at once') return;
  if (ending.endsWith('in a run')) {
    await startFinetune(ending.startsWith('nobody waits') ? 3 : 1e6);
    console.log('ready');
    return ends(ending.replace('in a run', 'in a step'));
  }
  const inStep = ending.endsWith('in a step');
  const made = await training(engine, { long: inStep });
  if (ending === 'nobody waits in a step') made.all = made.all.slice(0, 16); // it is waited for to its end
  if (inStep) await startLongStep(engine, made);
  else await engine.step(made.trainer, stepRequest(made.all));
  console.log('ready');
  await ends(ending, engine, made);
}

async function ends(ending, engine, made) {
  switch (ending) {
    case 'disposed':
      engine.disposeTrainer(made.trainer);
      engine.disposeDataset(made.dataset);
      engine.disposeModel(made.model);
      return;
    case 'not disposed':
      return;
    case 'exit':
    case 'exit in a step':
      process.exit(7);
      break;
    case 'exit with a queue in a step':
      for (let i = 0; i < 20; ++i) void engine.step(made.trainer, stepRequest(made.all)).catch(() => {});
      process.exit(7);
      break;
    case 'exception in a step':
      setImmediate(() => {
        throw new Error('uncaught on purpose');
      });
      break;
    case 'rejection in a step':
      throw new Error('unhandled on purpose');
    case 'kill in a step':
      process.kill(process.pid, 'SIGTERM');
      break;
    case 'listener of the signal in a step':
      process.once('SIGTERM', () => process.exit(15));
      process.kill(process.pid, 'SIGTERM');
      break;
    case 'calls on exit in a step':
      // A listener of 'exit' still calls the engine, which must refuse, not crash.
      process.on('exit', () => {
        void engine.step(made.trainer, stepRequest(made.all)).catch(() => {});
        engine.memory();
        engine.disposeTrainer(made.trainer);
      });
      process.exit(7);
      break;
    case 'calls on exit beside a worker': {
      // The worker's step keeps the engine alive; this environment is over all the same, and is told so.
      const worker = new Worker(path.join(__dirname, 'workers.cjs'), { workerData: 'in a step' });
      await once(worker, 'message');
      process.on('exit', () => {
        for (const [name, call] of [
          ['step', () => engine.step(made.trainer, stepRequest(made.all))],
          ['checksum', () => engine.checksum(__filename)], // the thread of files
        ]) {
          const promise = call();
          promise.catch(() => {});
          // Nobody awaits anything any more: what the promise is can only be looked at.
          const [, state] = /<(\w+)>/.exec(inspect(promise)) ?? ['', 'settled'];
          writeSync(1, `${name} ${state} ${/ERR_\w+/.exec(inspect(promise))?.[0]}\n`);
        }
      });
      process.exit(7);
      break;
    }
    case 'native exit in a step':
      process.reallyExit(7); // past every listener and hook of Node's
      break;
    case 'nobody waits in a step':
      return; // the promise keeps the process alive until the step has ended
    default:
      throw new Error(`unknown ending ${ending}`);
  }
}

void main(process.argv[2]);
