// npm run exports: models exported by vectune and run by the programs that the exports are for (onnxruntime and
// transformers.js, llama.cpp), on real texts, and the files checked by the packages onnx and gguf of Python. Prints a table;
// the exit code is 1 where any line is out of its tolerance.
import { createRequire } from 'node:module';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodePeers, PACKAGES, pythonPeer } from './exports/peers.mjs';
import { randomDistiluse } from './quora/random-distiluse.mjs';
import { testData } from './reference/test-data.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const FIXTURES = join(ROOT, 'test', 'parity', 'fixtures');
const PEER = fileURLToPath(new URL('exports/peer.mjs', import.meta.url));
const CHECK = fileURLToPath(new URL('exports/check.py', import.meta.url));
const TINY_TEXTS = ['the old stone bridge', 'rain fell on the boats', '', 'a red kite turns above the harbour'];
const DISTILUSE_TEXTS = 300;
const LLAMA_POSITIONS = 64;
/** llama.cpp is given one text at a time. */
const LLAMA_PAIRS = 300;

function readBenchmark() {
  const lines = readFileSync(testData('stsb', 'sts-test.csv'), 'utf8').trimEnd().split('\n');
  const rows = lines.map((line) => line.replace(/\r$/, '').split('\t'));
  return {
    first: rows.map((row) => row[5]),
    second: rows.map((row) => row[6]),
    scores: rows.map((row) => Number(row[4])),
  };
}

function readVectors(file, width) {
  const bytes = readFileSync(file);
  const flat = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  return Array.from({ length: flat.length / width }, (_, i) => flat.subarray(i * width, (i + 1) * width));
}

/** Largest difference of a number; NaN where any is NaN. */
function difference(found, expected) {
  if (found.length !== expected.length) return NaN;
  let most = 0;
  found.forEach((vector, i) => {
    for (let at = 0; at < expected[i].length; ++at) {
      const apart = Math.abs(vector[at] - expected[i][at]);
      if (!(apart <= most)) most = apart;
    }
  });
  return most;
}

/** What exports are compared, and how: pushes works for the peer, and gives lines when they are done. */
class Comparison {
  works = [];
  lines = [];
  files = [];
  #after = [];

  constructor(vectune, folder) {
    this.vectune = vectune;
    this.folder = folder;
  }

  async export(tv, format, name, precision) {
    const report = await tv.export(format, join(this.folder, name), { precision });
    this.files.push(...report.files.map(({ path }) => join(report.folder, path)));
    return report;
  }

  /** `compare` is given the vectors of the work. */
  work(work, width, compare) {
    const out = join(this.folder, `${this.works.length}.f32`);
    this.works.push({ ...work, out });
    this.#after.push(() => compare(readVectors(out, width)));
  }

  /** A number that must not be more than `allowed`, or less than `least`. */
  line(what, found, { allowed, least }) {
    this.lines.push({ what, found, allowed, least, good: allowed === undefined ? found >= least : found <= allowed });
  }

  async run(peers) {
    const request = join(this.folder, 'request.json');
    writeFileSync(request, JSON.stringify({ package: peers, works: this.works }));
    await mustRun(process.execPath, [PEER, request]);
    for (const compare of this.#after) compare();
  }
}

/** Each architecture as a tiny model with random weights, by onnxruntime on vectune's token ids. */
async function architectures(comparison) {
  const { TextVectorisation, cosineSimilarity } = comparison.vectune;
  const { openModel } = require(join(DIST, 'model', 'open.js'));
  const names = readdirSync(FIXTURES).filter((name) => /^(?!static-).*-(mean|dense|residual|unigram)$/.test(name));
  for (const name of names) {
    const source = join(FIXTURES, name, 'model');
    const tv = new TextVectorisation(source);
    const opened = await openModel(source);
    const { ids, offsets } = await opened.tokeniser.encode(TINY_TEXTS, opened.maxInputLength);
    const rows = TINY_TEXTS.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
    const expected = await tv.embed(TINY_TEXTS);
    const { folder } = await comparison.export(tv, 'onnx', `tiny-${name}`, ['fp32', 'fp16', 'int8']);
    comparison.work(
      { kind: 'onnxruntime', model: join(folder, 'onnx', 'model.onnx'), ids: rows },
      opened.dimension,
      (found) => comparison.line(`${name} (tiny), onnxruntime fp32`, difference(found, expected), { allowed: 1e-5 }),
    );
    const gguf = await comparison.export(tv, 'gguf', `gguf-${name}`, ['fp32', 'fp16', 'int8']).catch((error) => {
      if (error.code !== 'ERR_EXPORT') throw error;
    });
    // llama.cpp's client wants room for more tokens than the others have positions for.
    if (gguf !== undefined && opened.positions >= LLAMA_POSITIONS) {
      const work = { kind: 'llama.cpp', model: join(gguf.folder, gguf.files[0].path), ids: rows };
      comparison.work(work, opened.dimension, (found) => {
        const least = Math.min(...found.map((vector, i) => cosineSimilarity(vector, expected[i])));
        comparison.line(`${name} (tiny), llama.cpp F32, cosine at least`, least, { least: 0.99999 });
      });
    }
    await tv.dispose();
  }
}

async function miniLM(comparison) {
  const { TextVectorisation, cosineSimilarity, models } = comparison.vectune;
  const { spearman } = require(join(DIST, 'evaluate', 'metrics', 'correlation.js'));
  const benchmark = readBenchmark();
  const tv = new TextVectorisation(models.AllMiniLML6V2);
  const part = async (pairs) => {
    const [first, second, scores] = [benchmark.first, benchmark.second, benchmark.scores].map((all) =>
      all.slice(0, pairs),
    );
    const texts = [...first, ...second];
    const expected = await tv.embed(texts);
    const correlation = (vectors) =>
      100 *
      spearman(
        first.map((_, i) => cosineSimilarity(vectors[i], vectors[first.length + i])),
        scores,
      );
    const before = correlation(expected);
    console.log(
      `all-MiniLM-L6-v2 in vectune, fp32: Spearman of ${first.length} pairs of the STS Benchmark test set ${before.toFixed(2)}`,
    );
    const compare = (what, exact, least, worst, lost) => (found) => {
      const sorted = found.map((vector, i) => cosineSimilarity(vector, expected[i])).sort((a, b) => a - b);
      const mean = sorted.reduce((sum, one) => sum + one, 0) / sorted.length;
      if (exact !== undefined)
        comparison.line(`${what}, largest difference`, difference(found, expected), { allowed: exact });
      comparison.line(`${what}, cosine in the mean`, mean, { least });
      comparison.line(`${what}, cosine at least`, sorted[0], { least: worst });
      comparison.line(`${what}, Spearman`, correlation(found), { least: before - lost });
    };
    return { texts, compare };
  };
  const { texts, compare } = await part(Infinity);
  const { folder } = await comparison.export(tv, 'onnx', 'minilm', ['fp32', 'fp16', 'int8']);
  const one = { kind: 'transformers.js', model: folder, texts };
  const pipeline = { pooling: 'mean', normalize: true };
  comparison.work(
    { ...one, dtype: 'fp32' },
    384,
    compare('MiniLM, transformers.js fp32', 1e-5, 0.99999, 0.99999, 0.001),
  );
  comparison.work(
    { ...one, dtype: 'fp32', pipeline },
    384,
    compare('MiniLM, its pipeline', 1e-5, 0.99999, 0.99999, 0.001),
  );
  comparison.work(
    { ...one, dtype: 'fp16' },
    384,
    compare('MiniLM, transformers.js fp16', undefined, 0.9999, 0.999, 0.05),
  );
  comparison.work({ ...one, dtype: 'q8' }, 384, compare('MiniLM, transformers.js q8', undefined, 0.99, 0.95, 0.5));
  const some = await part(LLAMA_PAIRS);
  const gguf = await comparison.export(tv, 'gguf', 'minilm-gguf', ['fp32', 'fp16', 'int8']);
  gguf.files.forEach(({ path }, i) => {
    const [least, worst, lost] = [
      [0.9999, 0.999, 0.1],
      [0.9999, 0.999, 0.1],
      [0.998, 0.99, 0.3],
    ][i];
    const what = `MiniLM, llama.cpp ${path.replace(/^.*-(\w+)\.gguf$/, '$1')}`;
    const work = { kind: 'llama.cpp', model: join(gguf.folder, path), texts: some.texts };
    comparison.work(work, 384, some.compare(what, undefined, least, worst, lost));
  });
  await tv.dispose();
}

/** Of its exact shape, with random weights: mean, Dense of 512 with Tanh, a tokenizer that keeps case. */
async function distiluse(comparison) {
  const tv = new comparison.vectune.TextVectorisation(await randomDistiluse());
  const { first } = readBenchmark();
  const texts = first.slice(0, DISTILUSE_TEXTS);
  const expected = await tv.embed(texts);
  const { folder } = await comparison.export(tv, 'onnx', 'distiluse', 'fp32');
  comparison.work({ kind: 'transformers.js', model: folder, texts }, 512, (found) =>
    comparison.line('distiluse (512, Tanh), transformers.js', difference(found, expected), { allowed: 1e-5 }),
  );
  await tv.dispose();
}

await runScript(async () => {
  await setUp();
  const [peers, python] = [await nodePeers(), await pythonPeer()];
  const folder = mkdtempSync(join(tmpdir(), 'vectune-exports-'));
  try {
    const comparison = new Comparison(require(join(DIST, 'index.js')), folder);
    for (const part of [architectures, miniLM, distiluse]) await part(comparison);
    console.log(`onnx and gguf: ${(await mustRun(python, [CHECK, ...comparison.files])).trim()}`);
    await comparison.run(peers);
    const width = Math.max(...comparison.lines.map(({ what }) => what.length));
    console.log(`\nvectune's exports in ${PACKAGES.join(', ')}\n`);
    for (const { what, found, allowed, least, good } of comparison.lines) {
      const number = (value) => (value < 0.01 ? value.toExponential(1) : value.toFixed(value > 1 ? 2 : 6)).padStart(9);
      const bound = allowed === undefined ? `≥ ${number(least)}` : `≤ ${number(allowed)}`;
      console.log(`${what.padEnd(width)}  ${number(found)}  ${bound}  ${good ? 'ok' : 'DIFFERS'}`);
    }
    const failed = comparison.lines.filter(({ good }) => !good).length;
    console.log(failed === 0 ? '\nAll within tolerance.' : `\n${failed} out of tolerance.`);
    return failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
});
