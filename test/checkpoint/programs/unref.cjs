'use strict';
// A run of many steps that nobody waits for. argv[2] is JSON of { model, rows, when: 'training' | 'paused' | 'ref again' |
// 'beside embed' }: what it is at when it is let go. A process that ends by itself says what it saw.
const path = require('node:path');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const { model, rows, when, epochs, checkpoint } = JSON.parse(process.argv[2]);
const tv = new TextVectorisation(model);
let steps = 0;
process.on('exit', () => console.log(JSON.stringify({ steps, embedded })));
let embedded = 0;

const run = tv.finetune(rows, {
  epochs,
  validationSplit: 0,
  batchSize: 4,
  effectiveBatchSize: 4,
  precision: 'fp32',
  checkpoint,
  onProgress: (event) => {
    if (event.type === 'step') steps = event.totalSteps;
    if (event.type === 'step' && event.totalSteps === 5) {
      if (when === 'paused') run.pause();
      else run.unref();
      if (when === 'ref again') run.ref();
      if (when === 'beside embed')
        void tv.embed(Array(400).fill('the old mill')).then((vectors) => {
          embedded = vectors.length;
        });
    }
    if (event.type === 'paused') run.unref();
  },
});
run.then(
  () => console.log('done'),
  (error) => console.log(error.name),
);
