'use strict';
// Trains as argv[2] says, JSON of { model, rows, options, log, out }: a line of JSON for each step that the engine took,
// with its rows, and for each event about checkpoints goes to `log` at once, so that a kill loses none; the model is
// saved to `out`.
const fs = require('node:fs');
const path = require('node:path');
const { loadEngine } = require(path.resolve(__dirname, '../../../dist/engine/load.js'));
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const { model, rows, options, log, out } = JSON.parse(process.argv[2]);
const note = (line) => fs.appendFileSync(log, `${JSON.stringify(line)}\n`);

async function main() {
  const engine = await loadEngine();
  const { step } = engine;
  engine.step = async (trainer, request) => {
    const result = await step(trainer, request);
    if (result !== null) {
      note({
        kind: 'step',
        step: request.after + 1,
        rows: [...request.rows],
        microBatch: request.microBatch,
        ...result,
      });
    }
    return result;
  };
  const tv = new TextVectorisation(model);
  let going = false;
  const onProgress = (event) => {
    if (event.type === 'step' && !going) note({ kind: 'going', at: Date.now() });
    going ||= event.type === 'step';
    if (/^(restored|checkpoint|checkpoint-damaged|checkpoint-failed)$/.test(event.type))
      note({ ...event, error: undefined });
    if (event.type === 'validation') note({ kind: 'validation', epoch: event.epoch, loss: event.metrics.loss });
  };
  note({ kind: 'begin' });
  const report = await tv.finetune(rows, { ...options, onProgress });
  await tv.save(out);
  note({ kind: 'end', report });
}

void main();
