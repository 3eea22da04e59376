'use strict';
// argv[2]: 'removed': the working folder is removed before the first load, and after a failure another is taken;
// 'later': it is removed once LibTorch is loaded; 'plain': nothing of the sort. Prints what came of a model's use.
const { mkdtempSync, rmdirSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { TextVectorisation } = require(path.resolve(__dirname, '../../../dist/index.js'));

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-mean/model');

function loseWorkingFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'vectune-gone-'));
  process.chdir(folder);
  rmdirSync(folder);
}

async function use(model) {
  try {
    const [vector] = await model.embed(['the river']);
    const report = await model.finetune(
      [
        ['the', 'river'],
        ['a', 'mill'],
        ['on', 'the'],
      ],
      [1, 0, 0.5],
      {
        epochs: 1,
        validationSplit: 0,
        batchSize: 2,
      },
    );
    console.log('works', vector.length, report.epochs.length);
  } catch ({ name, code, message }) {
    console.log(name, code, message);
  }
}

async function main() {
  const model = new TextVectorisation(MODEL, { device: 'cpu' });
  if (process.argv[2] === 'later') await model.load();
  if (process.argv[2] !== 'plain') loseWorkingFolder();
  await use(model);
  if (process.argv[2] === 'removed') {
    process.chdir(__dirname);
    await use(model);
  }
  await model.dispose();
}

void main();
