'use strict';
// The utility process: loads the model, trains and embeds when it is asked to, and tells how far it is.
const path = require('node:path');
const { TextVectorisation } = require('vectune');

const MODEL = process.env.VECTUNE_ELECTRON_MODEL ?? path.join(__dirname, 'model');
const model = new TextVectorisation(MODEL);
const tell = (message) => process.parentPort.postMessage(message);
let run;

const asked = {
  async train({ epochs }) {
    const pairs = Array.from(
      { length: 60 },
      (_, i) =>
        [
          ['the old mill', 'the quiet mill'],
          ['rain on the boats', 'who sells bread'],
        ][i % 2],
    );
    run = model.finetune(
      pairs,
      pairs.map((_, i) => 1 - (i % 2)),
      {
        epochs,
        folds: 1,
        earlyStopping: false,
        precision: 'fp32',
        onProgress: (event) => {
          if (event.type !== 'step') return;
          tell({ kind: 'progress', done: event.totalSteps, of: event.steps * event.epochs });
        },
      },
    );
    const { epochs: done } = await run;
    tell({ kind: 'trained', epochs: done.length });
  },
  cancel() {
    run?.abort();
  },
  async embed({ texts }) {
    const vectors = await model.embed(texts);
    tell({
      kind: 'embedded',
      dimension: vectors[0].length,
      finite: vectors.every((vector) => vector.every(Number.isFinite)),
    });
  },
};

process.parentPort.on('message', ({ data }) => {
  Promise.resolve(asked[data.kind](data)).catch(({ name, code, message }) =>
    tell({ kind: 'failed', name, code, message }),
  );
});
