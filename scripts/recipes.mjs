// npm run recipes: what the default recipes reach on all-MiniLM-L6-v2, measured on rows that no run sees; docs/recipes.md.
//   npm run recipes                              every training set with the seeds 1, 2 and 3
//   npm run recipes -- quora-500 stsb            these sets
//   npm run recipes -- --seeds 1 --dev           one seed, measured on the development rows, by which recipes are chosen
//   npm run recipes -- quora-4000 --recipe notebook --data FOLDER --log runs.jsonl
// A run that was ended goes on from its last checkpoint when it is asked for again.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { testData } from './reference/test-data.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { runScript, SetupError } from './setup/step.mjs';

const require = createRequire(import.meta.url);
const MAX_INPUT_LENGTH = 64;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string', default: '1,2,3' },
    dev: { type: 'boolean', default: false },
    recipe: { type: 'string' },
    merge: { type: 'string' },
    epochs: { type: 'string' },
    rate: { type: 'string' },
    data: { type: 'string' },
    log: { type: 'string' },
  },
});

const place = (...path) => (given.data === undefined ? testData(...path) : join(given.data, ...path));

/** Quora's first rows: { text1, text2, score }. */
async function quora(vectune) {
  return vectune.readRows(place('quora', 'quora_head_9998.tsv'));
}

/** The STS Benchmark's columns stand without names, and some rows have sources behind them. */
function stsb(part) {
  const lines = readFileSync(place('stsb', `sts-${part}.csv`), 'utf8')
    .split('\n')
    .filter(Boolean);
  return lines.map((line) => {
    const fields = line.split('\t');
    return { text1: fields[5], text2: fields[6], score: Number(fields[4]) / 5 };
  });
}

/** What each set trains on. */
const SETS = {
  'quora-4000': async (vectune) => (await quora(vectune)).slice(0, 4000),
  'quora-500': async (vectune) => (await quora(vectune)).slice(0, 500),
  stsb: async () => stsb('train'),
  positives: async (vectune) =>
    (await quora(vectune))
      .filter(({ score }) => score === 1)
      .map(({ text1, text2 }) => ({ anchor: text1, positive: text2 })),
};

/** Average precision of labels, Spearman of scores, and MRR@10 of the duplicate among all questions. */
async function measure(vectune, tv, rows, sts) {
  const options = { intervals: false, maxInputLength: MAX_INPUT_LENGTH };
  const labelled = rows.map(({ text1, text2, score }) => ({ text1, text2, label: score }));
  const binary = await vectune.evaluateBinary(tv, labelled, options);
  const graded = await vectune.evaluateSimilarity(tv, sts, options);
  const texts = [...new Set(rows.flatMap(({ text1, text2 }) => [text1, text2]))];
  const relevant = new Map();
  for (const { text1, text2, score } of rows) {
    if (score !== 1 || text1 === text2) continue;
    for (const [query, other] of [
      [text1, text2],
      [text2, text1],
    ])
      relevant.set(query, [...(relevant.get(query) ?? []), other]);
  }
  const data = {
    queries: [...relevant.keys()].map((text) => ({ id: text, text })),
    corpus: texts.map((text) => ({ id: text, text })),
    relevant,
  };
  const retrieval = await vectune.evaluateRetrieval(tv, data, { ...options, ignoreSameId: true });
  return {
    ap: 100 * binary.metrics.averagePrecision,
    sts: 100 * graded.metrics.spearman,
    mrr: 100 * retrieval.metrics['mrr@10'],
  };
}

const text = ({ ap, sts, mrr }) => `AP ${ap.toFixed(2)}  STSb ${sts.toFixed(2)}  MRR@10 ${mrr.toFixed(2)}`;

async function one(vectune, set, seed, tests) {
  const tv = new vectune.TextVectorisation(vectune.models.AllMiniLML6V2, { precision: 'auto' });
  const folder = join(
    ROOT,
    '.build',
    'recipes',
    `${set}-${seed}-${given.recipe ?? 'auto'}-${process.argv.slice(2).join('').replaceAll(/\W/g, '')}`,
  );
  mkdirSync(folder, { recursive: true });
  try {
    const report = await tv.finetune(await SETS[set](vectune), {
      seed,
      maxInputLength: MAX_INPUT_LENGTH,
      checkpoint: { folder, everyMinutes: 1, everyEpoch: true },
      resume: true,
      ...(given.recipe !== undefined && { recipe: given.recipe }),
      ...(given.merge !== undefined && { merge: given.merge.split(',').map(Number) }),
      ...(given.epochs !== undefined && { epochs: Number(given.epochs) }),
      ...(given.rate !== undefined && { learningRate: Number(given.rate) }),
      onProgress: (event) => {
        if (event.type === 'validation')
          console.error(
            `${set} seed ${seed} epoch ${event.epoch}: ${event.measure} ` +
              `${event.tried.map(({ share, value }) => `${share}: ${value?.toFixed(4)}`).join(', ')}`,
          );
      },
    });
    const found = await measure(vectune, tv, tests.rows, tests.sts);
    const { recipe, loss, share, bestEpoch, seconds, gain, randomPairs } = report;
    const line = { set, seed, dev: given.dev, ...found, recipe, loss, share, bestEpoch, seconds, gain, randomPairs };
    if (given.log !== undefined) appendFileSync(given.log, `${JSON.stringify(line)}\n`);
    console.log(
      `${set.padEnd(12)} seed ${seed}  ${text(found)}  share ${share}, epoch ${bestEpoch}, ${seconds.toFixed(0)} s`,
    );
    rmSync(folder, { recursive: true });
    return found;
  } finally {
    await tv.dispose();
  }
}

await runScript(async () => {
  const unknown = positionals.find((name) => !Object.hasOwn(SETS, name));
  if (unknown !== undefined)
    throw new SetupError(`recipes has no set ${unknown}; it has ${Object.keys(SETS).join(', ')}.`);
  if (!existsSync(join(DIST, 'index.js'))) throw new SetupError('Build first: npm run setup.');
  const vectune = require(join(DIST, 'index.js'));
  const all = await quora(vectune);
  const tests = given.dev
    ? { rows: all.slice(4000, 6000), sts: stsb('dev') }
    : { rows: all.slice(9000), sts: stsb('test') };
  const untrained = new vectune.TextVectorisation(vectune.models.AllMiniLML6V2, { precision: 'auto' });
  console.log(`${'untrained'.padEnd(20)} ${text(await measure(vectune, untrained, tests.rows, tests.sts))}`);
  await untrained.dispose();
  for (const set of positionals.length > 0 ? positionals : Object.keys(SETS)) {
    const found = [];
    for (const seed of given.seeds.split(',').map(Number)) found.push(await one(vectune, set, seed, tests));
    const mean = (name) => found.reduce((sum, run) => sum + run[name], 0) / found.length;
    console.log(`${set.padEnd(12)} mean    ${text({ ap: mean('ap'), sts: mean('sts'), mrr: mean('mrr') })}`);
  }
  return 0;
});
