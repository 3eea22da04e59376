// npm run recipes: what the default recipes reach, measured on rows that no run sees; docs/recipes.md.
//   npm run recipes                              every training set with the seeds 1, 2 and 3
//   npm run recipes -- quora-500 stsb            these sets
//   npm run recipes -- --seeds 1 --dev           one seed, measured on the development rows, by which recipes are chosen
//   npm run recipes -- --model all-mpnet-base-v2 another model: all-MiniLM-L6-v2, all-mpnet-base-v2, a name on the hub, a folder
//   npm run recipes -- --peer vectune            sentence-transformers beside, at three learning rates; `vectune` installs it,
//                                                anything else is the Python interpreter that has it; --peer-rates 5e-5
//   npm run recipes -- tiny --draws 20           sets of 8, 32 and 100 rows; --sizes 8,32; --forms labels,scores
//   npm run recipes -- quora-4000 --recipe notebook --rows 200 --data FOLDER --log runs.jsonl
// A run that was ended goes on from its last checkpoint when it is asked for again; what --log has is not run again.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe, MAX_INPUT_LENGTH, measure, table } from './recipes/measure.mjs';
import { PEER_RATES, peerPython, trainPeer } from './recipes/peer.mjs';
import { openData, SETS, testsOf } from './recipes/sets.mjs';
import { SIZES, tiny } from './recipes/tiny.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { runScript, SetupError } from './setup/step.mjs';

const require = createRequire(import.meta.url);

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: 'string' },
    dev: { type: 'boolean', default: false },
    model: { type: 'string', default: 'all-MiniLM-L6-v2' },
    peer: { type: 'string' },
    rows: { type: 'string' },
    draws: { type: 'string', default: '20' },
    sizes: { type: 'string', default: SIZES.join(',') },
    forms: { type: 'string', default: '' },
    recipe: { type: 'string' },
    loss: { type: 'string' },
    merge: { type: 'string' },
    epochs: { type: 'string' },
    rate: { type: 'string' },
    batch: { type: 'string' },
    measure: { type: 'string' },
    'peer-rates': { type: 'string', default: PEER_RATES.join(',') },
    data: { type: 'string' },
    log: { type: 'string' },
  },
});

/** Of every run: what is not given is the recipe's. */
const OPTIONS = {
  ...(given.recipe !== undefined && { recipe: given.recipe }),
  ...(given.loss !== undefined && { loss: given.loss.startsWith('{') ? JSON.parse(given.loss) : given.loss }),
  ...(given.merge !== undefined && { merge: given.merge.split(',').map(Number) }),
  ...(given.epochs !== undefined && { epochs: Number(given.epochs) }),
  ...(given.rate !== undefined && { learningRate: Number(given.rate) }),
  ...(given.batch !== undefined && { effectiveBatchSize: Number(given.batch) }),
  ...(given.measure !== undefined && { measure: given.measure }),
};

function modelOf(vectune, name) {
  const known = {
    'all-MiniLM-L6-v2': vectune.models.AllMiniLML6V2,
    'all-mpnet-base-v2': vectune.models.AllMpnetBaseV2,
  };
  return known[name] ?? name;
}

/** Runs that a log has, by what they are; each is written when it is over. */
class Log {
  #file;
  #known = new Map();

  constructor(file) {
    this.#file = file;
    if (file === undefined || !existsSync(file)) return;
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    for (const { what, ...found } of lines.map((line) => JSON.parse(line)))
      if (what !== undefined) this.#known.set(what, found);
  }

  note(found) {
    if (this.#file !== undefined) appendFileSync(this.#file, `${JSON.stringify(found)}\n`);
  }

  async once(what, work) {
    const key = JSON.stringify(what);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const found = await work();
    this.note({ what: key, ...found });
    return found;
  }
}

/** The rows of a set for a seed, and those of its own to measure with. */
function turnOf(name, seed, data) {
  const turn = { dev: given.dev, seed };
  const rows = SETS[name].rows(data, turn);
  return { rows: given.rows === undefined ? rows : rows.slice(0, Number(given.rows)), own: SETS[name].own?.(turn) };
}

async function trainOurs(vectune, model, name, seed, data, tests) {
  const { rows, own } = turnOf(name, seed, data);
  const tv = new vectune.TextVectorisation(model, { precision: 'auto' });
  const words = process.argv.slice(2).join('').replaceAll(/\W/g, '');
  const folder = join(ROOT, '.build', 'recipes', `${name}-${seed}-${words}`);
  mkdirSync(folder, { recursive: true });
  try {
    const report = await tv.finetune(rows, {
      ...OPTIONS,
      seed,
      maxInputLength: MAX_INPUT_LENGTH,
      checkpoint: { folder, everyMinutes: 1, everyEpoch: true },
      resume: true,
      onProgress: (event) => {
        if (event.type !== 'validation') return;
        const tried = event.tried.map(({ share, value }) => `${share}: ${value?.toFixed(4)}`).join(', ');
        console.error(`${name} seed ${seed} epoch ${event.epoch}: ${event.measure} ${tried}`);
      },
    });
    const found = await measure(vectune, tv, tests, own);
    rmSync(folder, { recursive: true });
    const { recipe, loss, share, bestEpoch, seconds, gain, randomPairs, precision, threads } = report;
    return { ...found, recipe, loss, share, bestEpoch, seconds, gain, randomPairs, precision, threads };
  } finally {
    await tv.dispose();
  }
}

/** The untrained model on the rows of a set; those that all sets have are measured once. */
async function measureUntrained(vectune, model, tests, own) {
  const tv = new vectune.TextVectorisation(model, { precision: 'auto' });
  try {
    return await measure(vectune, tv, tests, own);
  } finally {
    await tv.dispose();
  }
}

async function oneSet(vectune, model, name, data, log) {
  const tests = testsOf(data, given.dev);
  const seeds = (given.seeds ?? SETS[name].seeds ?? '1,2,3').split(',').map(Number);
  const what = { model: given.model, set: name, dev: given.dev, rows: given.rows };
  // What is measured with goes by the seed only where a set has rows of its own for development.
  const before = await log.once({ ...what, seed: seeds[0], who: 'untrained' }, async () => ({
    ...(await measureUntrained(vectune, model, tests, turnOf(name, seeds[0], data).own)),
    seconds: 0,
  }));
  const ours = [];
  for (const seed of seeds) {
    const found = await log.once({ ...what, seed, who: 'vectune', options: OPTIONS }, () =>
      trainOurs(vectune, model, name, seed, data, tests),
    );
    ours.push(found);
    const { share, bestEpoch, seconds } = found;
    console.log(
      `${name.padEnd(12)} seed ${seed}  ${describe(found)}  share ${share}, epoch ${bestEpoch}, ${seconds.toFixed(0)} s`,
    );
  }
  const trainers = [
    { name: 'untrained', runs: [before] },
    { name: 'vectune', runs: ours },
  ];
  if (given.peer !== undefined)
    trainers.push(...(await peers(vectune, model, name, seeds, data, tests, what, ours, log)));
  console.log(`\n${name}, ${given.model}\n${table(trainers).join('\n')}\n`);
}

async function peers(vectune, model, name, seeds, data, tests, what, [{ precision, threads }], log) {
  const python = await peerPython(given.peer);
  const { folder } = await require(join(DIST, 'model', 'open.js')).openModel(model);
  const trainers = [];
  for (const learningRate of given['peer-rates'].split(',').map(Number)) {
    const runs = [];
    for (const seed of seeds) {
      const { rows, own } = turnOf(name, seed, data);
      const request = { model: folder, form: SETS[name].form, rows, seed, learningRate, threads };
      const found = await log.once({ ...what, seed, who: 'peer', learningRate }, () =>
        trainPeer(python, { ...request, bf16: precision === 'bf16' }, (out) =>
          measureUntrained(vectune, out, tests, own),
        ),
      );
      runs.push(found);
      console.log(
        `${name.padEnd(12)} seed ${seed}  ${describe(found)}  ${found.loss} at ${learningRate}, ${found.seconds.toFixed(0)} s`,
      );
    }
    trainers.push({ name: `${runs[0].loss} ${learningRate.toExponential()}`, runs });
  }
  return trainers;
}

await runScript(async () => {
  const names = positionals.length > 0 ? positionals : Object.keys(SETS);
  const unknown = names.find((name) => name !== 'tiny' && !Object.hasOwn(SETS, name));
  if (unknown !== undefined)
    throw new SetupError(`recipes has no set ${unknown}; it has ${[...Object.keys(SETS), 'tiny'].join(', ')}.`);
  if (!existsSync(join(DIST, 'index.js'))) throw new SetupError('Build first: npm run setup.');
  const vectune = require(join(DIST, 'index.js'));
  const model = modelOf(vectune, given.model);
  const data = await openData(vectune, given.data);
  const log = new Log(given.log);
  let good = true;
  for (const name of names) {
    if (name !== 'tiny') {
      await oneSet(vectune, model, name, data, log);
      continue;
    }
    const sizes = given.sizes.split(',').map(Number);
    const wanted = given.forms.split(',').filter(Boolean);
    const how = { draws: Number(given.draws), sizes, names: wanted, options: OPTIONS, log: (found) => log.note(found) };
    good = (await tiny(vectune, model, data, how, (line) => console.log(line))) && good;
  }
  return good ? 0 : 1;
});
