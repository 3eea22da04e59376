// npm run soak: long tests of what must never go wrong. Kills training processes with SIGKILL at moments drawn uniformly over
// their wall time, lets the next process go on from their checkpoints, and compares every step and the final weights with a
// run that nobody disturbed, bit for bit; then trains for long and looks for memory that is not given back. Prints survived
// of tried; the exit code is 1 where any is not.
//   node scripts/soak.mjs [--kills 200] [--seed 1] [--steps 2000] [--rounds 200]
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST, ROOT } from './setup/paths.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const PROGRAMS = join(ROOT, 'test', 'checkpoint', 'programs');
const FIXTURE = join(ROOT, 'test', 'parity', 'fixtures', 'bert-mean', 'model');
/** At least this share of the kills is to fall into the writing of a checkpoint. */
const WRITING_SHARE = 0.3;
/** A process is killed within so many times what the one before it took to its first step: most of that is training. */
const LIVES = 5;
/** Bytes per step and per round that are put down to the allocator's and the JavaScript engine's own growth. */
const FLAT = { steps: 4_000, rounds: 80_000 };

function options() {
  const given = { kills: 200, seed: 1, steps: 2000, rounds: 200 };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '');
    const value = Number(args[i + 1]);
    if (!(name in given) || !Number.isSafeInteger(value) || value < 0) {
      throw new SetupError(
        `soak has no option ${args[i]} ${args[i + 1] ?? ''}; it has --kills, --seed, --steps and --rounds with a number.`,
      );
    }
    given[name] = value;
  }
  return given;
}

/** Numbers from 0 to below 1 by a seed. */
function randomOf(seed) {
  const { Random, Stream } = require(join(DIST, 'data', 'random.js'));
  const random = Random.of(seed, Stream.Balance);
  return () => random.next() / 2 ** 32;
}

function rowsOf(count) {
  const words = ['river', 'boats', 'harbour', 'bread', 'miller', 'daughter', 'rain', 'kite', 'tonight', 'houses'];
  const text = (i, j) =>
    `the ${Array.from({ length: 2 + ((i + j) % 5) }, (_, k) => words[(i * 3 + j * 7 + k) % words.length]).join(' ')}`;
  return Array.from({ length: count }, (_, i) => ({
    text1: text(i, 0),
    text2: text(i, 1 + (i % 3)),
    score: (i % 5) / 4,
  }));
}

/** A model of random weights, large enough that writing a checkpoint takes about as long as the steps between two. */
async function makeModel(folder, engine) {
  cpSync(FIXTURE, folder, { recursive: true });
  const place = existsSync(join(folder, '0_Transformer')) ? join(folder, '0_Transformer') : folder;
  const config = JSON.parse(readFileSync(join(place, 'config.json'), 'utf8'));
  Object.assign(config, { hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 512 });
  writeFileSync(join(place, 'config.json'), JSON.stringify(config));
  for (const name of readdirSync(folder)) {
    const pooling = join(folder, name, 'config.json');
    if (!/Pooling/.test(name)) continue;
    const content = JSON.parse(readFileSync(pooling, 'utf8'));
    writeFileSync(pooling, JSON.stringify({ ...content, word_embedding_dimension: 128 }));
  }
  const { openModel } = require(join(DIST, 'model', 'open.js'));
  const { spec, weightFiles } = await openModel(folder);
  const model = await engine.createModel(spec, [], 7);
  await engine.saveModel(model, [{ path: weightFiles[0].path, module: 'encoder' }]);
  engine.disposeModel(model);
}

/** Runs programs/train.cjs; with `killAfter` (milliseconds) it is killed then, if it has not ended. */
function train(job, killAfter) {
  const begun = Date.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(PROGRAMS, 'train.cjs'), JSON.stringify(job)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const timer = killAfter === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfter);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stderr, begun });
    });
  });
}

const lines = (file) =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
    : [];
const stepText = ({ kind: _, ...step }) => JSON.stringify(step);

/** Kills until there were enough; gives the counts and what went wrong. */
async function killAndResume(folder, model, { kills, seed }, engine) {
  const random = randomOf(seed);
  const { readCheckpoint } = require(join(DIST, 'finetune', 'checkpoint', 'content.js'));
  const base = {
    model,
    rows: rowsOf(80),
    options: {
      epochs: 25,
      batchSize: 4,
      effectiveBatchSize: 4,
      precision: 'fp32',
      earlyStopping: false,
      learningRate: 3e-4,
      seed: 3,
      dropout: 0.1,
      optimizer: { weightDecay: 0.01 },
      schedule: 'linear',
      warmupSteps: 10,
    },
  };
  const whole = { ...base, log: join(folder, 'whole.log'), out: join(folder, 'whole') };
  /** Milliseconds from a process's begin to its first step. */
  let start = 1000;
  const undisturbed = await train(whole);
  if (undisturbed.code !== 0) throw new Error(`the undisturbed run failed: ${undisturbed.stderr}`);
  const expected = new Map(
    lines(whole.log)
      .filter(({ kind }) => kind === 'step')
      .map((step) => [step.step, stepText(step)]),
  );
  const weights = readFileSync(join(whole.out, 'model.safetensors'));

  const counts = { tried: 0, survived: 0, writing: 0, before: 0, runs: 0, steps: 0 };
  const wrong = [];
  for (let run = 0; counts.tried < kills; ++run) {
    const checkpoints = join(folder, `run-${run}`);
    const job = {
      ...base,
      log: join(folder, `run-${run}.log`),
      out: join(folder, `out-${run}`),
      options: { ...base.options, resume: true, checkpoint: { folder: checkpoints, everySteps: 2 } },
    };
    let killed = false;
    for (let seen = 0; ; ) {
      const { code, signal, stderr, begun } = await train(
        job,
        counts.tried < kills ? LIVES * start * random() : undefined,
      );
      const log = lines(job.log);
      const news = log.slice(seen);
      seen = log.length;
      const steps = news.filter(({ kind }) => kind === 'step');
      const going = news.find(({ kind }) => kind === 'going');
      if (going !== undefined) start = going.at - begun;
      counts.steps += steps.length;
      const problems = [];
      for (const step of steps)
        if (expected.get(step.step) !== stepText(step)) problems.push(`step ${step.step} is another`);
      for (const { kind, message } of news) if (/damaged|failed/.test(kind)) problems.push(`${kind}: ${message}`);
      if (signal === null && code !== 0) problems.push(`exit code ${code}: ${stderr}`);
      const names = existsSync(checkpoints) ? readdirSync(checkpoints) : [];
      for (const name of names.filter((name) => name.startsWith('step-'))) {
        await readCheckpoint(join(checkpoints, name), engine).catch((error) => problems.push(error.message));
      }
      // A process that was killed before counts as survived when the one after it has shown that it can go on.
      if (killed && problems.length === 0) ++counts.survived;
      wrong.push(...problems);
      killed = signal === 'SIGKILL';
      if (killed) {
        ++counts.tried;
        if (names.some((name) => name.includes('.vectune-new-'))) ++counts.writing;
        if (steps.length === 0) ++counts.before;
        if (counts.tried % 20 === 0)
          console.log(
            `${counts.tried} kills, ${counts.writing} while a checkpoint was written, ${wrong.length} problems`,
          );
        continue;
      }
      if (code === 0) {
        ++counts.runs;
        if (!readFileSync(join(job.out, 'model.safetensors')).equals(weights))
          wrong.push(`run ${run}: the final weights are others`);
        const done = new Set(log.filter(({ kind }) => kind === 'step').map(({ step }) => step));
        if (done.size !== expected.size) wrong.push(`run ${run}: ${done.size} steps of ${expected.size}`);
      }
      break;
    }
    for (const path of [checkpoints, job.log, job.out]) rmSync(path, { recursive: true, force: true });
  }
  return { counts, wrong };
}

async function flat(what, count, folder) {
  const job = {
    what,
    count,
    model: FIXTURE,
    rows: rowsOf(what === 'steps' ? 60 : 20),
    folder: join(folder, `flat-${what}`),
  };
  const child = spawn(process.execPath, ['--expose-gc', join(PROGRAMS, 'flat.cjs'), JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (part) => {
    text += part;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) return [`${what}: exit code ${code}`];
  const { slope, live, inUse } = JSON.parse(text);
  const objects = Object.values(live).reduce((sum, n) => sum + n, 0);
  console.log(
    `${count} ${what}: ${slope.toFixed(0)} bytes of resident memory each, ${objects} native objects and ${inUse} bytes left`,
  );
  const wrong = [];
  if (!(slope < FLAT[what])) wrong.push(`${what}: resident memory grows by ${slope.toFixed(0)} bytes each`);
  if (objects !== 0 || inUse !== 0) wrong.push(`${what}: ${objects} native objects and ${inUse} bytes are left`);
  return wrong;
}

await runScript(async () => {
  const asked = options();
  await setUp({ buildOnly: true });
  const folder = mkdtempSync(join(tmpdir(), 'vectune-soak-'));
  const { loadEngine } = require(join(DIST, 'engine', 'load.js'));
  try {
    const wrong = [];
    if (asked.kills > 0) {
      const engine = await loadEngine();
      await makeModel(join(folder, 'model'), engine);
      const { counts, wrong: found } = await killAndResume(folder, join(folder, 'model'), asked, engine);
      wrong.push(...found);
      const share = counts.writing / counts.tried;
      console.log(
        `kills: ${counts.survived} survived of ${counts.tried}; ${counts.writing} (${(100 * share).toFixed(0)} %) while a checkpoint ` +
          `was written, ${counts.before} before the first step; ${counts.runs} runs completed, ${counts.steps} steps compared`,
      );
      if (counts.survived !== counts.tried) wrong.push('not all kills were survived');
      if (share < WRITING_SHARE)
        wrong.push(`only ${(100 * share).toFixed(0)} % of the kills fell into the writing of a checkpoint`);
    }
    for (const what of ['steps', 'rounds']) if (asked[what] > 0) wrong.push(...(await flat(what, asked[what], folder)));
    for (const problem of wrong) console.log(`wrong: ${problem}`);
    console.log(wrong.length === 0 ? 'soak: all well' : `soak: ${wrong.length} problems`);
    return wrong.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
