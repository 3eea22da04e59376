// npm run parity: all-MiniLM-L6-v2 in vectune against sentence-transformers, on real texts. Prints a table; the exit
// code is 1 where any line is out of its tolerance. VECTUNE_REFERENCE_PYTHON names a Python that has the reference;
// without it one is installed in vectune's cache.
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askReference, referencePython } from './reference/python.mjs';
import { testData } from './reference/test-data.mjs';
import { DIST } from './setup/paths.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const QUESTIONS = 2000;
const SAVED_TEXTS = 200;
const STEPS = 20;
const BATCH = 16;
const LEARNING_RATE = 2e-5;
const WEIGHT_DECAY = 0.01;
const MAX_INPUT_LENGTH = 64;

/** Rows of an STS Benchmark file, which is tab-separated and never quoted; scores from 0 to 1. */
function readBenchmark(file) {
  const rows = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/\r$/, '').split('\t'));
  return rows.map((row) => ({ text1: row[5], text2: row[6], score: Number(row[4]) / 5 }));
}

/** One pass over the rows in their order, without dropout; the loss of each step. */
async function train(tv, rows, optimizer) {
  const losses = [];
  await tv.finetune(
    rows.map((row) => [row.text1, row.text2]),
    rows.map((row) => row.score),
    {
      recipe: 'notebook',
      maxInputLength: MAX_INPUT_LENGTH,
      validationSplit: 0,
      epochs: 1,
      batchSize: BATCH,
      effectiveBatchSize: BATCH,
      learningRate: LEARNING_RATE,
      optimizer,
      shuffle: false,
      dropout: 0,
      precision: 'fp32',
      onProgress: (event) => {
        if (event.kind === 'step') losses.push(event.loss);
      },
    },
  );
  return losses;
}

/** Largest difference of two lists of numbers; NaN where any is NaN. */
function difference(a, b) {
  if (a.length !== b.length) throw new Error(`There are ${a.length} numbers on one side and ${b.length} on the other.`);
  return a.reduce((most, value, i) => (Math.abs(value - b[i]) <= most ? most : Math.abs(value - b[i])), 0);
}

/** All numbers of some vectors, one after the other, as the reference's files have them. */
const flat = (vectors) => Float32Array.from(vectors.flatMap((vector) => [...vector]));

function readNumbers(file) {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

async function measure(vectune, folder) {
  const { TextVectorisation, cosineSimilarity, models } = vectune;
  const { readRows } = require(join(DIST, 'data', 'read.js'));
  const { openModel } = require(join(DIST, 'model', 'open.js'));
  const { spearman } = require(join(DIST, 'evaluate', 'metrics', 'correlation.js'));

  const quora = await readRows(testData('quora', 'quora_pairs.tsv'));
  const questions = quora.flatMap((row) => [row.text1, row.text2]).slice(0, QUESTIONS);
  const benchmark = readBenchmark(testData('stsb', 'sts-test.csv'));
  const rows = quora.slice(0, STEPS * BATCH);
  const savedTexts = questions.slice(0, SAVED_TEXTS);

  const tv = new TextVectorisation(models.AllMiniLML6V2);
  const vectors = await tv.embed(questions);
  const first = await tv.embed(benchmark.map((row) => row.text1));
  const second = await tv.embed(benchmark.map((row) => row.text2));
  const scores = benchmark.map((row) => row.score);
  const correlation = spearman(
    first.map((vector, i) => cosineSimilarity(vector, second[i])),
    scores,
  );
  const losses = { notebook: await train(tv, rows, 'notebook') };
  const tuned = await tv.embed(savedTexts);
  const saved = join(folder, 'saved');
  await tv.save(saved);
  await tv.dispose();
  const again = new TextVectorisation(saved);
  const readBack = await again.embed(savedTexts);
  await again.dispose();
  const fresh = new TextVectorisation(models.AllMiniLML6V2);
  losses.torch = await train(fresh, rows, { weightDecay: WEIGHT_DECAY });
  await fresh.dispose();

  writeFileSync(
    join(folder, 'request.json'),
    JSON.stringify({
      model: (await openModel(models.AllMiniLML6V2)).folder,
      saved,
      questions,
      savedTexts,
      benchmark: benchmark.map((row) => [row.text1, row.text2, row.score]),
      training: {
        pairs: rows.map((row) => [row.text1, row.text2]),
        scores: rows.map((row) => row.score),
        batchSize: BATCH,
        maxInputLength: MAX_INPUT_LENGTH,
        learningRate: LEARNING_RATE,
        weightDecay: WEIGHT_DECAY,
      },
    }),
  );
  const reference = await askReference(folder);
  const ours = flat(tuned);
  const spearmans = `${correlation.toFixed(4)} and ${reference.spearman.toFixed(4)}`;
  return {
    versions: reference.versions,
    lines: [
      [
        `embeddings of ${QUESTIONS} Quora questions`,
        difference(flat(vectors), readNumbers(join(folder, 'questions.f32'))),
        1e-5,
      ],
      [`Spearman, STS Benchmark test (${spearmans})`, Math.abs(correlation - reference.spearman), 5e-5],
      [`losses of ${STEPS} steps, preset 'notebook'`, difference(losses.notebook, reference.losses.notebook), 1e-4],
      [`losses of ${STEPS} steps, torch.optim.AdamW`, difference(losses.torch, reference.losses.torch), 1e-4],
      ['saved folder read by sentence-transformers', difference(ours, readNumbers(join(folder, 'saved.f32'))), 1e-5],
      ['saved folder read by vectune', difference(ours, flat(readBack)), 0],
    ],
    moved: difference(ours, flat(vectors.slice(0, SAVED_TEXTS))),
  };
}

await runScript(async () => {
  await setUp();
  await referencePython();
  const folder = mkdtempSync(join(tmpdir(), 'vectune-parity-'));
  try {
    const { lines, versions, moved } = await measure(require(join(DIST, 'index.js')), folder);
    const names = Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ');
    console.log(`\nall-MiniLM-L6-v2, vectune against ${names}\n`);
    const width = Math.max(...lines.map(([what]) => what.length));
    console.log(`${'compared'.padEnd(width)}  ${'difference'.padStart(10)}  ${'allowed'.padStart(10)}`);
    let failed = 0;
    for (const [what, found, allowed] of lines) {
      const good = found <= allowed;
      if (!good) ++failed;
      const [a, b] = [found, allowed].map((value) => value.toExponential(1).padStart(10));
      console.log(`${what.padEnd(width)}  ${a}  ${b}  ${good ? 'ok' : 'DIFFERS'}`);
    }
    // A model that training had left as it was would make the lines on the saved folder say nothing.
    if (!(moved > 1e-3)) {
      console.log(`\nTraining moved the vectors by ${moved.toExponential(1)} only; the saved model was to be another.`);
      ++failed;
    }
    console.log(failed === 0 ? '\nAll within tolerance.' : `\n${failed} out of tolerance.`);
    return failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
});
