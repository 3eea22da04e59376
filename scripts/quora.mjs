// npm run quora: the notebook's job on Quora's question pairs, first with all-MiniLM-L6-v2, then with a random model of
// distiluse-base-multilingual-cased-v2's shape, which shows that a model of that size is trained, not that it learns.
//   npm run quora                    both; the random model for one epoch
//   npm run quora -- --full          both, the random model until early stopping too
//   npm run quora -- --memory-limit  all-MiniLM-L6-v2, effective batch 256, under a limit that 256 pairs do not fit in
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { quoraPairs } from './quora/pairs.mjs';
import { print } from './quora/print.mjs';
import { MEGABYTES, PARAMETERS, randomDistiluse } from './quora/random-distiluse.mjs';
import { DIST } from './setup/paths.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const MAX_INPUT_LENGTH = 64;
const OPTIONS = ['--full', '--memory-limit'];
/** Between what all-MiniLM-L6-v2 needs in fp32 for 128 and for 256 of the longest pairs: 1.42 and 2.20 GB. */
const MEMORY_LIMIT = 1_800_000_000;

const SCHOOL = 'Where did Bill Gates go to school?';
const OTHERS = ['What school did Bill Gates go to?', 'What company did Bill Gates found?', 'How big is the moon?'];

/** Similarities of the notebook's questions, the paraphrase first; whether they fall in that order. */
async function similarities(vectune, tv, when) {
  const [school, ...others] = await tv.embed([SCHOOL, ...OTHERS]);
  const found = vectune.cosineSimilarity(school, others);
  console.log(`\n${when}: similarity to «${SCHOOL}»`);
  OTHERS.forEach((text, i) => console.log(`  ${found[i].toFixed(4).padStart(7)}  ${text}`));
  return found[0] > found[1] && found[1] > found[2];
}

function finetune(tv, { pairs, scores }, options) {
  return tv.finetune(pairs, scores, {
    recipe: 'notebook',
    maxInputLength: MAX_INPUT_LENGTH,
    onProgress: print,
    ...options,
  });
}

function printResult({ before, after, bestEpoch, stoppedEarly, epochs, seconds }) {
  const number = (value) => (value === null || value === undefined ? '-' : value.toFixed(4)).padStart(9);
  const ended = stoppedEarly ? ', stopped early' : '';
  console.log(`\nepochs ${epochs.length}${ended}, best ${bestEpoch}, ${seconds.toFixed(0)} s`);
  console.log(`${'validation'.padEnd(22)}${'before'.padStart(9)}${'after'.padStart(9)}`);
  for (const [label, of] of [
    ['loss', (m) => m.loss],
    ['Pearson', (m) => m.pearson],
    ['Spearman', (m) => m.spearman],
    ['average precision', (m) => m.averagePrecision],
    ['best F1', (m) => m.f1?.value],
    ['best accuracy', (m) => m.accuracy?.value],
  ])
    console.log(`${label.padEnd(22)}${number(of(before))}${number(of(after))}`);
}

/** The notebook's job; false where the three similarities are not in the right order. */
async function miniLm(vectune, options = {}) {
  console.log('\n=== all-MiniLM-L6-v2: 500 duplicates and 500 others of Quora, length 64');
  const tv = new vectune.TextVectorisation(vectune.models.AllMiniLML6V2);
  try {
    await similarities(vectune, tv, 'before');
    const report = await finetune(tv, await quoraPairs(vectune), options);
    printResult(report);
    const ordered = await similarities(vectune, tv, 'after');
    console.log(ordered ? 'In the right order.' : 'NOT IN THE RIGHT ORDER, which is the one above from top to bottom.');
    return ordered;
  } finally {
    await tv.dispose();
  }
}

/** False where the model has not distiluse's size. */
async function distiluse(vectune, full) {
  console.log(
    `\n=== random weights in distiluse-base-multilingual-cased-v2's shape: ${
      full ? 'until early stopping' : 'one epoch (--full trains until early stopping)'
    }`,
  );
  const tv = new vectune.TextVectorisation(await randomDistiluse());
  try {
    const report = await finetune(tv, await quoraPairs(vectune), full ? {} : { epochs: 1 });
    printResult(report);
    const megabytes = ((4 * report.parameters) / 1e6).toFixed(3);
    console.log(`\n${report.parameters.toLocaleString('en')} parameters, ${megabytes} MB`);
    if (report.parameters === PARAMETERS && megabytes === MEGABYTES) return true;
    console.log(`NOT DISTILUSE'S SHAPE, which has ${PARAMETERS.toLocaleString('en')} and ${MEGABYTES} MB.`);
    return false;
  } finally {
    await tv.dispose();
  }
}

/** False where 256 pairs did not fail: the limit is there to show that. */
async function underLimit(vectune) {
  console.log(`\nEffective batch 256 under a memory limit of ${(MEMORY_LIMIT / 1e6).toFixed(0)} MB, fp32, one epoch.`);
  let failed = false;
  const onProgress = (event) => {
    failed ||= event.type === 'out-of-memory' && event.batchSize === 256;
    print(event);
  };
  const ordered = await miniLm(vectune, {
    effectiveBatchSize: 256,
    // Not looked for: the finder ends before it where trials would take long.
    batchSize: 256,
    memoryLimit: MEMORY_LIMIT,
    precision: 'fp32',
    epochs: 1,
    onProgress,
  });
  if (!failed) console.log('256 PAIRS FITTED: the limit is too high for these texts.');
  return ordered && failed;
}

await runScript(async () => {
  const given = process.argv.slice(2);
  const unknown = given.find((argument) => !OPTIONS.includes(argument));
  if (unknown !== undefined) throw new SetupError(`quora has no option ${unknown}; it has ${OPTIONS.join(', ')}.`);
  await setUp();
  const vectune = require(join(DIST, 'index.js'));
  if (given.includes('--memory-limit')) return (await underLimit(vectune)) ? 0 : 1;
  const ordered = await miniLm(vectune);
  const complete = await distiluse(vectune, given.includes('--full'));
  return ordered && complete ? 0 : 1;
});
