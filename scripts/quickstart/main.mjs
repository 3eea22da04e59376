// The main job of npm start: fine-tune all-MiniLM-L6-v2 on the questions of a bicycle hire's help desk (DATA.md), and
// measure it on topics that training never saw. It uses what any user of the package has, and vectune's own bars.
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { DIST, ROOT } from '../setup/paths.mjs';
import { runScript, SetupError } from '../setup/step.mjs';
import { HELD_OUT, readPairs, textsOf } from './data.mjs';
import { duplicates, nearestOverlap, wordOverlap } from './overlap.mjs';

const require = createRequire(import.meta.url);
const { TextVectorisation, models, cosineSimilarity } = require(join(DIST, 'index.js'));
const { gainOf } = require(join(DIST, 'finetune', 'gain.js'));
const { validationMetrics } = require(join(DIST, 'finetune', 'metrics.js'));
const { DownloadDisplay } = require(join(DIST, 'cli', 'download-display.js'));
const { FinetuneDisplay } = require(join(DIST, 'cli', 'finetune-display.js'));
const { comparison } = require(join(DIST, 'cli', 'table.js'));

/** Under .build, which git ignores: it outlives the run, so that it can be tried. */
const FOLDER = join(ROOT, '.build', 'quickstart', 'model');

/** All else is the recipe's, which goes by the form of the rows: pairs with graded scores. */
const OPTIONS = { maxInputLength: 64, seed: 1 };

const QUESTION = 'How do I give back the bike I had reserved for Sunday? We are not coming.';
const OTHERS = [
  ['a paraphrase', "We won't be needing our booking at the weekend, please drop it"],
  ['related', 'How many days in advance may I reserve?'],
  ['unrelated', 'How big is the moon?'],
];

function title(text) {
  console.log(`\n${text}\n${'-'.repeat(text.length)}`);
}

/** That what is measured was not learned by heart: how near held-out texts come to the training texts. */
function describeOverlap(held, heldVectors, train, trainVectors) {
  const words = wordOverlap(held, train);
  const cosine = nearestOverlap(held, train, (i, j) => cosineSimilarity(heldVectors[i], trainVectors[j]));
  return (
    `No held-out text is in training (${duplicates(held, train).length} of ${held.length}); the nearest training text has ` +
    `${Math.round(100 * words.mean)} % of its words and a cosine of ${cosine.mean.toFixed(2)} on average.`
  );
}

async function similarities(tv) {
  const [question, ...others] = await tv.embed([QUESTION, ...OTHERS.map(([, text]) => text)]);
  return cosineSimilarity(question, others);
}

function printSimilarities(before, after) {
  console.log(`«${QUESTION}»`);
  OTHERS.forEach(([name, text], i) => {
    const [from, to] = [before[i], after[i]].map((value) => value.toFixed(4).padStart(9));
    console.log(`${name.padEnd(12)}${from.slice(1)}${to}  «${text}»`);
  });
  const ordered = after[0] > after[1] && after[1] > after[2];
  console.log(ordered ? 'In the right order after training.' : 'NOT in the right order after training.');
}

/** Cosines of rows whose texts have these vectors, text1 and text2 in turn. */
const similaritiesOf = (rows, vectors) => rows.map((_, i) => cosineSimilarity(vectors[2 * i], vectors[2 * i + 1]));

/** What training changed in their Spearman, with what chance makes of so many rows. */
function gained(rows, before, after) {
  const data = { form: 'scored-pairs', labels: rows.map(({ score }) => score) };
  const units = [before, after].map((vectors) => Float32Array.from(similaritiesOf(rows, vectors)));
  return gainOf('spearman', { data, rows: Int32Array.from(rows, (_, i) => i) }, ...units);
}

/** Metrics of a model on such rows. */
function measure(rows, vectors) {
  const found = similaritiesOf(rows, vectors);
  const scores = rows.map(({ score }) => score);
  const loss = found.reduce((sum, similarity, i) => sum + (similarity - scores[i]) ** 2, 0) / found.length;
  return validationMetrics(loss, found, scores, null);
}

/** The largest difference of any two numbers at the same place. */
function largestDifference(a, b) {
  let most = 0;
  a.forEach((vector, i) =>
    vector.forEach((value, k) => {
      // Not Math.max: it would hide a NaN in the one behind a NaN in the other.
      const difference = Object.is(value, b[i][k]) ? 0 : Math.abs(value - b[i][k]);
      if (!(difference <= most)) most = difference;
    }),
  );
  return most;
}

async function saveAndReload(tv, held, vectors) {
  await tv.save(FOLDER);
  const again = new TextVectorisation(FOLDER);
  try {
    const difference = largestDifference(vectors, await again.embed(held));
    console.log(`Saved to ${relative(process.cwd(), FOLDER)}, loaded again and compared on ${held.length} texts:`);
    console.log(`  largest difference of any number: ${difference}${difference === 0 ? ' (bitwise the same)' : ''}`);
    return difference === 0;
  } finally {
    await again.dispose();
  }
}

async function quickstart(tv, display, stop) {
  const { training, heldOut } = readPairs();
  const [train, held] = [textsOf(training), textsOf(heldOut)];
  console.log(`${training.length} pairs to train on; ${heldOut.length} pairs held out: ${HELD_OUT.join(', ')}.`);
  const [trainVectors, before] = [await tv.embed(train), await tv.embed(held)];
  display.download.end();
  console.log(describeOverlap(held, before, train, trainVectors));
  const similarBefore = await similarities(tv);

  const pairs = training.map(({ text1, text2 }) => [text1, text2]);
  const scores = training.map(({ score }) => score);
  const onProgress = (event) => display.run.show(event);
  const run = tv.finetune(pairs, scores, { ...OPTIONS, signal: stop.signal, onProgress });
  const { bestEpoch } = await run.finally(() => display.run.end());

  title('Before and after, on the held-out topics');
  const after = await tv.embed(held);
  const gain = await gained(heldOut, before, after);
  console.log(comparison(`${heldOut.length} pairs`, measure(heldOut, before), measure(heldOut, after), { gain }));
  if (bestEpoch === 0) console.log('No epoch was taken: the model is as it was.');
  printSimilarities(similarBefore, await similarities(tv));
  return saveAndReload(tv, held, after);
}

await runScript(async () => {
  if (process.argv.length > 2) throw new SetupError(`npm start takes no arguments, but was given ${process.argv[2]}.`);
  const started = performance.now();
  const display = { download: new DownloadDisplay(process.stdout), run: new FinetuneDisplay(process.stdout) };
  const stop = new AbortController();
  // A second Ctrl-C finds no handler and ends the process at once.
  process.once('SIGINT', () => stop.abort());
  title('vectune quickstart: all-MiniLM-L6-v2 learns a help desk');
  const tv = new TextVectorisation(models.AllMiniLML6V2, { onProgress: (event) => display.download.show(event) });
  try {
    const same = await quickstart(tv, display, stop);
    if (!same) console.log('THE LOADED MODEL IS NOT THE ONE THAT WAS SAVED.');
    console.log(`\nQuickstart done in ${((performance.now() - started) / 1000).toFixed(1)} s. Try your own texts:`);
    console.log(`  echo "my bike is gone" | node dist/cli/main.js embed --model ${relative(process.cwd(), FOLDER)}`);
    return same ? 0 : 1;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log('\nStopped.');
    return 130;
  } finally {
    display.download.end();
    display.run.end();
    await tv.dispose();
  }
});
