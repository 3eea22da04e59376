// npm run bench: vectune beside its peers, in turn on this machine; prints a table and writes .build/bench/results.json.
//   npm run bench                         everything; takes more than an hour on two cores
//   npm run bench -- --only training,single   some groups (training, distiluse, ranking, mining, search, encoders, embedding, single, start, lengths,
//                                         neighbour, eventLoop, blocks, scale, avx2)
//   npm run bench -- --runs 3             runs of each work (default 5); the median counts
//   npm run bench -- --full               100,000 pairs too
//   npm run bench -- --only encoders --shapes mpnet-base,qwen3-0.6b --what training   some shapes, training alone
//   npm run bench -- --against ../other   the engine beside that of another built tree, nothing else
//   npm run bench -- --profile            where a training step's time goes, nothing else
import { createRequire } from 'node:module';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { against } from '../test/bench/against.mjs';
import { onnxModel, pythonPeer, transformersJs } from '../test/bench/peers.mjs';
import { lengthsFigure } from '../test/bench/lengths_figure.mjs';
import { groups } from '../test/bench/works.mjs';
import { randomDistiluse } from './quora/random-distiluse.mjs';
import { testData } from './reference/test-data.mjs';
import { findLibTorch } from './setup/libtorch.mjs';
import { DIST, LIBTORCH_VERSION, ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const FOLDER = join(ROOT, '.build', 'bench');

/** The engine's own benchmark program; gives a function that runs it and reads its lines. */
async function engineBench() {
  const libtorch = await findLibTorch({ headers: true });
  mkdirSync(FOLDER, { recursive: true });
  await mustRun('cmake', [
    '-S',
    ROOT,
    '-B',
    FOLDER,
    `-DVECTUNE_LIBTORCH=${libtorch.root}`,
    '-DVECTUNE_BENCH=ON',
    '-DCMAKE_BUILD_TYPE=Release',
  ]);
  await mustRun('cmake', ['--build', FOLDER, '--target', 'engine_bench', '--parallel', '2']);
  return async (args, environment = {}) => {
    // As the loader sets it for a host that sets nothing itself.
    const env = { GOMP_SPINCOUNT: '1000', ...process.env, ...environment, LD_LIBRARY_PATH: libtorch.libDir };
    const output = await mustRun(join(FOLDER, 'engine_bench'), args, { env });
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  };
}

async function measurePeak(engine, environment) {
  const [fp32, bf16, { simd }] = await engine(['peak'], environment);
  return { fp32: fp32.gflops, bf16: bf16.gflops, at: { fp32: fp32.at, bf16: bf16.at }, simd };
}

/** Lengths in tokens of texts, as the tokeniser of the model gives them. */
async function lengthsOf(model, texts, limit) {
  const { tokeniser } = await require(join(DIST, 'model', 'open.js')).openModel(model);
  const { offsets } = await tokeniser.encode(texts, limit);
  return texts.map((_, i) => offsets[i + 1] - offsets[i]);
}

/** Of each duplicate pair the most similar text that is not its duplicate, as the untrained model finds them. */
async function triplets(TextVectorisation, model, quora) {
  const tv = new TextVectorisation(model);
  try {
    const some = quora.slice(0, 6000);
    const duplicates = some.filter(({ score }) => score === 1).slice(0, 1024);
    const texts = [...new Set(some.flatMap(({ text1, text2 }) => [text1, text2]))];
    const vectors = await tv.embed(texts);
    const of = new Map(texts.map((text, i) => [text, vectors[i]]));
    const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    const found = duplicates.map(({ text1, text2 }) => {
      let best = -Infinity;
      let negative = '';
      for (const text of texts) {
        if (text === text1 || text === text2) continue;
        const near = dot(of.get(text1), of.get(text));
        if (near > best) [best, negative] = [near, text];
      }
      return [text1, text2, negative];
    });
    const words = (text) => text.split(' ').slice(0, 8).join(' ');
    // All different: no two of a batch may be the same text.
    const short = Array.from({ length: 4096 }, (_, i) => found[i % found.length].map((text) => `${i} ${words(text)}`));
    return { triplets: found, short };
  } finally {
    await tv.dispose();
  }
}

function print(rows) {
  const all = ['what', 'ours', 'other', 'peer', 'ratio', 'share', 'peak', 'goal', 'reached'];
  const columns = all.filter((name) => rows.some((row) => row[name] !== undefined));
  const width = columns.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name]).length)));
  const line = (cells) =>
    cells
      .map((cell, i) => String(cell).padEnd(width[i]))
      .join('  ')
      .trimEnd();
  console.log(line(columns));
  for (const row of rows) console.log(line(columns.map((name) => row[name])));
}

async function profile(engine, lengths, precisions) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-profile-'));
  try {
    const file = join(folder, 'lengths.txt');
    writeFileSync(file, `${lengths.join('\n')}\n`);
    const found = [];
    for (const [shape, pairs] of [
      ['minilm', 16],
      ['minilm', 32],
      ['minilm', 128],
      ['distiluse', 16],
    ]) {
      for (const precision of precisions) {
        const [result] = await engine(['profile', shape, precision, String(pairs), file]);
        found.push(result);
        const { seconds, steps, tokens, phases } = result;
        console.log(
          `\n${shape}, ${precision}, ${pairs} pairs: ${((1000 * seconds) / steps).toFixed(1)} ms a step, ` +
            `${(tokens / seconds).toFixed(0)} tokens/s`,
        );
        let rest = seconds;
        for (const [phase, spent] of Object.entries(phases)) {
          rest -= spent;
          console.log(
            `  ${phase.padEnd(34)}${((1000 * spent) / steps).toFixed(2).padStart(8)} ms ${((100 * spent) / seconds).toFixed(1).padStart(6)} %`,
          );
        }
        console.log(
          `  ${'packing and everything else'.padEnd(34)}${((1000 * rest) / steps).toFixed(2).padStart(8)} ms ${((100 * rest) / seconds).toFixed(1).padStart(6)} %`,
        );
      }
    }
    return found;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '5' },
      full: { type: 'boolean' },
      shapes: { type: 'string' },
      what: { type: 'string' },
      profile: { type: 'boolean' },
      against: { type: 'string' },
    },
  });
  const wanted = values.only?.split(',') ?? Object.keys(groups);
  const unknown = wanted.find((name) => groups[name] === undefined);
  if (unknown !== undefined)
    throw new SetupError(`bench has no group ${unknown}; it has ${Object.keys(groups).join(', ')}.`);
  await setUp();
  if (values.against !== undefined) {
    print(await against(resolve(values.against), ROOT, Number(values.runs)));
    return 0;
  }
  const { models, readRows, TextVectorisation } = require(join(DIST, 'index.js'));
  const tv = new TextVectorisation(models.AllMiniLML6V2);
  await tv.load();
  await tv.dispose();
  const model = (await require(join(DIST, 'model', 'open.js')).openModel(models.AllMiniLML6V2)).folder;
  const quora = await readRows(testData('quora', 'quora_pairs.tsv'));
  const train = quora.slice(0, 850);
  const training = { pairs: train.map((row) => [row.text1, row.text2]), scores: train.map((row) => row.score) };
  const texts = quora.flatMap((row) => [row.text1, row.text2]).slice(0, 3000);
  const lengths = await lengthsOf(model, training.pairs.flat(), 64);
  const engine = await engineBench();
  const { info } = await require(join(DIST, 'engine', 'load.js'))
    .loadEngine()
    .then((addon) => ({ info: addon.info() }));
  const machine = {
    processor: cpus()[0].model,
    threads: info.threads,
    memoryBytes: totalmem(),
    simd: info.simd,
    node: process.version,
    libtorch: LIBTORCH_VERSION,
    date: new Date().toISOString(),
  };
  console.log(
    `${machine.processor}, ${machine.threads} threads, LibTorch ${LIBTORCH_VERSION}, Node ${process.version}`,
  );
  // bf16 on a processor that only converts it to and fro is a third as fast as fp32, here and at the peers: nobody's choice.
  const precisions = info.bf16 ? ['fp32', 'bf16'] : ['fp32'];
  const embeddingPrecisions = info.int8 ? [...precisions, 'int8'] : precisions;
  if (!info.bf16)
    console.log('This processor does not multiply bf16: what is measured in bf16 elsewhere is in fp32 or left out.');
  if (!info.int8) console.log('This processor does not multiply int8: left out.');
  if (values.profile) {
    writeFileSync(
      join(FOLDER, 'profile.json'),
      JSON.stringify({ machine, profile: await profile(engine, lengths, precisions) }, null, 1),
    );
    return 0;
  }
  const peak = await measurePeak(engine);
  console.log(`GEMM peak: fp32 ${peak.fp32} GFLOP/s (${peak.at.fp32}), bf16 ${peak.bf16} GFLOP/s (${peak.at.bf16})\n`);
  const python = await pythonPeer();
  const context = {
    model,
    python,
    peak,
    precisions,
    embeddingPrecisions,
    training,
    lengths,
    pairs: quora.map((row) => [row.text1, row.text2]),
    threads: info.threads,
    runs: Number(values.runs),
    full: values.full === true,
    shapes: values.shapes?.split(','),
    what: values.what?.split(','),
    folder: FOLDER,
    figures: [],
    embedding: { kind: 'embed', model, threads: info.threads, texts, batchSize: 32 },
    embeddingLengths: await lengthsOf(model, texts, 256),
    onnx: { package: await transformersJs(), model: await onnxModel(python, model) },
    distiluse: randomDistiluse,
    triplets: () => triplets(TextVectorisation, model, quora),
    measurePeak: (environment) => measurePeak(engine, environment),
  };
  const rows = [];
  for (const name of wanted) {
    const begin = performance.now();
    const found = await groups[name](context);
    print(found);
    console.log(`(${name}: ${((performance.now() - begin) / 1000).toFixed(0)} s)\n`);
    rows.push(...found);
    writeFileSync(
      join(FOLDER, 'results.json'),
      JSON.stringify({ machine, peak, rows, figures: context.figures }, null, 1),
    );
  }
  const byLength = context.figures.filter(({ work }) => work === 'lengths');
  if (byLength.length > 0) {
    const title = `Share of the products' bound, MiniLM, ${machine.processor}, ${machine.threads} threads, ${machine.simd}`;
    writeFileSync(join(FOLDER, 'lengths.svg'), lengthsFigure(byLength, title));
    console.log(`Share by length drawn in ${join('.build', 'bench', 'lengths.svg')}.`);
  }
  const missed = rows.filter(({ reached }) => reached === 'NO').length;
  console.log(
    `${rows.filter(({ reached }) => reached === 'yes').length} goals reached, ${missed} missed. ` +
      `Written to ${join('.build', 'bench', 'results.json')}.`,
  );
  return 0;
});
