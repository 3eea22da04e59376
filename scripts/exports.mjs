// npm run exports: models exported by vectune and run by the programs that the exports are for (onnxruntime and
// transformers.js, llama.cpp), on real texts, and the files checked by the packages onnx and gguf of Python. Prints a table;
// the exit code is 1 where any line is out of its tolerance.
//   npm run exports -- --only architectures,shapes   some of: architectures, shapes, miniLM, distiluse
//   npm run exports -- --large                       more than 2 GB of weights, and nothing else: 7 GB of disk and of memory
import { createRequire } from 'node:module';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodePeers, PACKAGES, pythonPeer } from './exports/peers.mjs';
import { randomModel } from './exports/random-model.mjs';
import { randomDistiluse } from './quora/random-distiluse.mjs';
import { testData } from './reference/test-data.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { mustRun } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const FIXTURES = join(ROOT, 'test', 'parity', 'fixtures');
const PEER = fileURLToPath(new URL('exports/peer.mjs', import.meta.url));
const CHECK = fileURLToPath(new URL('exports/check.py', import.meta.url));
const TINY_TEXTS = ['the old stone bridge', 'rain fell on the boats', '', 'a red kite turns above the harbour'];
/** More tokens than a window of ModernBERT's reaches to both sides. */
const LONG_TEXT = Array.from({ length: 30 }, (_, i) => TINY_TEXTS[(i * 3) % 4]).join(' and ');
/** Those that transformers.js is given as texts too. */
const IN_TRANSFORMERS_JS = /^(?:modernbert|nomic_bert|gte|static|qwen3|gemma3_text)-/;
const DISTILUSE_TEXTS = 300;
const LLAMA_POSITIONS = 64;
const LLAMA_ROOM = 16;
/** Shapes that are run in llama.cpp too. */
const IN_LLAMA = /^(?:ModernBERT|nomic)/;
/** Tokenizers that llama.cpp's client runs as llama.cpp does. */
const CUT_BY_LLAMA = /^(?:modernbert|nomic_bert|qwen2)-/;
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
    // Not those of weights beside a graph.
    const checked = report.files.filter(({ path }) => /\.(?:onnx|gguf)$/.test(path));
    this.files.push(...checked.map(({ path }) => join(report.folder, path)));
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

function setLimit(folder, limit) {
  for (const [name, field] of [
    ['sentence_bert_config.json', 'max_seq_length'],
    ['tokenizer_config.json', 'model_max_length'],
    ['config.json', 'max_position_embeddings'],
  ]) {
    const json = JSON.parse(readFileSync(join(folder, name), 'utf8'));
    writeFileSync(join(folder, name), JSON.stringify({ ...json, [field]: limit }));
  }
}

/** Each architecture as a tiny model with random weights, by onnxruntime on vectune's token ids. */
async function architectures(comparison) {
  const { TextVectorisation, cosineSimilarity } = comparison.vectune;
  const { openModel } = require(join(DIST, 'model', 'open.js'));
  const names = readdirSync(FIXTURES).filter((name) =>
    /-(mean|cls|lasttoken|dense|residual|layer-norm|unigram|model2vec)$/.test(name),
  );
  const texts = [...TINY_TEXTS, LONG_TEXT];
  for (const name of names) {
    const source = join(comparison.folder, 'models', name);
    cpSync(join(FIXTURES, name, 'model'), source, { recursive: true });
    // The long text as a whole.
    if (/^modernbert-mean|^nomic|^gte|^qwen|^gemma3/.test(name)) setLimit(source, 512);
    const tv = new TextVectorisation(source);
    const opened = await openModel(source);
    const { ids, offsets } = await opened.tokeniser.encode(texts, opened.maxInputLength);
    const rows = texts.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
    const expected = await tv.embed(texts);
    const { folder } = await comparison.export(tv, 'onnx', `tiny-${name}`, ['fp32', 'fp16', 'int8']);
    comparison.work(
      { kind: 'onnxruntime', model: join(folder, 'onnx', 'model.onnx'), ids: rows },
      opened.dimension,
      (found) => comparison.line(`${name} (tiny), onnxruntime fp32`, difference(found, expected), { allowed: 1e-5 }),
    );
    if (IN_TRANSFORMERS_JS.test(name)) {
      const { head } = opened.spec;
      const [mode] = head[0].modes;
      const plain =
        head.every(({ kind }) => kind !== 'dense') &&
        (mode !== 'lasttoken' || opened.layout.tokenizerConfig.padding_side === 'left');
      const pooling = mode === 'lasttoken' ? 'last_token' : mode;
      const pipeline = plain && { pooling, normalize: opened.normalised };
      // transformers.js cuts the last special token from what is too long.
      const whole = texts.map((_, i) => i).filter((i) => rows[i].length < opened.maxInputLength);
      comparison.work(
        { kind: 'transformers.js', model: folder, dtype: 'fp32', texts: whole.map((i) => texts[i]), pipeline },
        opened.dimension,
        (found) => {
          const wanted = whole.map((i) => expected[i]);
          // On the left a short text stands behind what fills it up: at larger angles, of which fp32 has fewer digits.
          const allowed = opened.layout.tokenizerConfig.padding_side === 'left' ? 3e-5 : 1e-5;
          comparison.line(`${name} (tiny), transformers.js fp32`, difference(found, wanted), { allowed });
        },
      );
    }
    const gguf = await comparison.export(tv, 'gguf', `gguf-${name}`, ['fp32', 'fp16', 'int8']).catch((error) => {
      if (error.code !== 'ERR_EXPORT') throw error;
    });
    // llama.cpp's client wants room for more tokens than the others have positions for.
    if (gguf !== undefined && opened.positions >= LLAMA_POSITIONS) {
      const work = { kind: 'llama.cpp', model: join(gguf.folder, gguf.files[0].path) };
      const compare = (what, which, given) =>
        comparison.work({ ...work, ...given }, opened.dimension, (found) => {
          const least = Math.min(...found.map((vector, i) => cosineSimilarity(vector, expected[which[i]])));
          comparison.line(`${name} (tiny), llama.cpp F32${what}, cosine at least`, least, { least: 0.99999 });
        });
      const all = texts.map((_, i) => i);
      const short = all.filter((i) => rows[i].length <= opened.positions - LLAMA_ROOM);
      compare('', short, { ids: short.map((i) => rows[i]) });
      if (CUT_BY_LLAMA.test(name)) {
        const own = short.filter((i) => texts[i] !== '' && rows[i].length < opened.maxInputLength);
        compare(', by its own tokens', own, { texts: own.map((i) => texts[i]) });
      }
    }
    await tv.dispose();
  }
}

/** Shapes of models that many use, with random weights; texts of some hundred tokens among them. */
const SHAPES = {
  'ModernBERT-base': [
    'modernbert-mean',
    {
      vocab_size: 50_368,
      hidden_size: 768,
      num_hidden_layers: 22,
      num_attention_heads: 12,
      intermediate_size: 1152,
      max_position_embeddings: 8192,
      layer_types: undefined,
      global_attn_every_n_layers: 3,
    },
  ],
  'nomic-embed-text-v1.5': [
    'nomic_bert-mean',
    {
      vocab_size: 30_528,
      hidden_size: 768,
      num_hidden_layers: 12,
      num_attention_heads: 12,
      intermediate_size: 3072,
      max_position_embeddings: 2048,
      head_dim: 64,
    },
  ],
  'gte-base-en-v1.5': [
    'gte-mean',
    {
      vocab_size: 30_528,
      hidden_size: 768,
      num_hidden_layers: 12,
      num_attention_heads: 12,
      intermediate_size: 3072,
      max_position_embeddings: 8192,
      rope_parameters: { rope_type: 'default', rope_theta: 500_000 },
    },
  ],
  // The words are no part of the numbers.
  'Qwen3-Embedding-0.6B (20,000 words)': [
    'qwen3-mean',
    {
      vocab_size: 20_000,
      hidden_size: 1024,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
      intermediate_size: 3072,
      max_position_embeddings: 32_768,
      rope_parameters: { rope_type: 'default', rope_theta: 1_000_000 },
      is_causal: undefined,
      use_sliding_window: false,
      sliding_window: null,
      layer_types: undefined,
    },
  ],
  'embeddinggemma-300m (20,000 words)': [
    'gemma3_text-mean',
    {
      vocab_size: 20_000,
      hidden_size: 768,
      num_hidden_layers: 24,
      num_attention_heads: 3,
      num_key_value_heads: 1,
      head_dim: 256,
      intermediate_size: 1152,
      max_position_embeddings: 2048,
      rope_parameters: {
        full_attention: { rope_type: 'default', rope_theta: 1_000_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
      query_pre_attn_scalar: 256,
      sliding_window: 512,
      sliding_window_pattern: 6,
      layer_types: undefined,
    },
  ],
};

async function shapes(comparison) {
  const words = TINY_TEXTS.join(' ').split(' ');
  const texts = [3, 20, 60, 150].map((count, at) =>
    Array.from({ length: count }, (_, i) => words[(i * (at + 5)) % words.length]).join(' '),
  );
  for (const [name, [like, sizes]] of Object.entries(SHAPES)) {
    const source = await randomModel(join(comparison.folder, `random-${name}`), like, sizes);
    await atSize(comparison, name, source, texts, ['fp32', 'fp16', 'int8']);
    rmSync(source, { recursive: true });
  }
}

/** A model's exports in onnxruntime, beside what vectune computes. */
async function atSize(comparison, name, source, texts, precisions) {
  const { TextVectorisation, cosineSimilarity } = comparison.vectune;
  const tv = new TextVectorisation(source);
  const opened = await require(join(DIST, 'model', 'open.js')).openModel(source);
  const { ids, offsets } = await opened.tokeniser.encode(texts, opened.maxInputLength);
  const rows = texts.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
  const expected = await tv.embed(texts);
  const { folder, files } = await comparison.export(tv, 'onnx', `sized-${name}`, precisions);
  if (IN_LLAMA.test(name)) {
    const gguf = await comparison.export(tv, 'gguf', `sized-gguf-${name}`, ['fp32', 'int8']);
    gguf.files.forEach(({ path }, i) => {
      const work = { kind: 'llama.cpp', model: join(gguf.folder, path), ids: rows };
      comparison.work(work, opened.dimension, (found) => {
        const least = Math.min(...found.map((vector, at) => cosineSimilarity(vector, expected[at])));
        const what = `${name}'s shape, llama.cpp ${/-(\w+)\.gguf$/.exec(path)[1]}, cosine at least`;
        comparison.line(what, least, { least: [0.99999, 0.99][i] });
      });
    });
  }
  await tv.dispose();
  for (const { path } of files.filter(({ path }) => path.endsWith('.onnx'))) {
    const what = `${name}'s shape, onnxruntime ${/model_?(\w*)\./.exec(path)[1] || 'fp32'}`;
    comparison.work({ kind: 'onnxruntime', model: join(folder, path), ids: rows }, opened.dimension, (found) => {
      const cosines = found.map((vector, i) => cosineSimilarity(vector, expected[i]));
      if (path.endsWith('/model.onnx')) {
        const length = Math.hypot(...expected[0]);
        comparison.line(`${what}, largest difference (length ${length.toFixed(1)})`, difference(found, expected), {
          allowed: 1e-5,
        });
      } else
        comparison.line(`${what}, cosine at least`, Math.min(...cosines), {
          least: path.includes('fp16') ? 0.9999 : 0.95,
        });
    });
  }
  return files;
}

/** More weights than one file of protocol buffers holds: XLM-RoBERTa-large's, in fp32. */
async function large(comparison) {
  const source = await randomModel(join(comparison.folder, 'random-xlm-roberta-large'), 'xlm-roberta-mean', {
    vocab_size: 250_002,
    hidden_size: 1024,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
    max_position_embeddings: 514,
  });
  const files = await atSize(comparison, 'XLM-RoBERTa-large', source, [...TINY_TEXTS, LONG_TEXT], ['fp32']);
  for (const { path, bytes } of files) console.log(`${path}: ${bytes} bytes`);
  rmSync(source, { recursive: true });
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
  const { values } = parseArgs({ options: { only: { type: 'string' }, large: { type: 'boolean' } } });
  const all = { architectures, shapes, miniLM, distiluse };
  const named = values.only?.split(',') ?? Object.keys(all);
  const unknown = named.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined)
    throw new SetupError(`There is no part "${unknown}" of the exports; there are ${Object.keys(all).join(', ')}.`);
  const parts = values.large ? [large] : named.map((name) => all[name]);
  await setUp();
  const [peers, python] = [await nodePeers(), await pythonPeer()];
  const folder = mkdtempSync(join(tmpdir(), 'vectune-exports-'));
  try {
    const comparison = new Comparison(require(join(DIST, 'index.js')), folder);
    for (const part of parts) await part(comparison);
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
