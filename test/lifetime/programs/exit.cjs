'use strict';
// argv[2]: how the process ends.
const { training, startLongStep, stepRequest, loadEngine } = require('./engine.cjs');

async function main(ending) {
  const engine = await loadEngine();
  if (ending === 'at once') return;
  const inStep = ending.endsWith('in a step');
  const made = await training(engine, { long: inStep });
  if (ending === 'nobody waits in a step') made.all = made.all.slice(0, 16); // it is waited for to its end
  if (inStep) await startLongStep(engine, made);
  else await engine.step(made.trainer, stepRequest(made.all));
  console.log('ready');

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
    case 'calls on exit in a step':
      // A listener of 'exit' still calls the engine, which must refuse, not crash.
      process.on('exit', () => {
        void engine.step(made.trainer, stepRequest(made.all)).catch(() => {});
        engine.memory();
        engine.disposeTrainer(made.trainer);
      });
      process.exit(7);
      break;
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
