// One piece of work by vectune through its public surface, in a process of its own: node vectune_work.mjs REQUEST.json
// The request: kind ('finetune' | 'embed' | 'single' | 'callers' | 'start' | 'blocks' | 'mine' | 'search'), model (folder), precision, threads (as
// OMP_NUM_THREADS), and pairs with scores or triplets, batchSize, stepSize (rows of a step, where they are not computed at
// once), maxInputLength, or texts. Prints one JSON object.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { quantiles } from './quantiles.mjs';

const request = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { mineHardNegatives, TextVectorisation, VectorIndex } = createRequire(import.meta.url)(
  fileURLToPath(new URL('../../dist/index.js', import.meta.url)),
);
const { model, precision, maxInputLength } = request;
const tv = new TextVectorisation(model, request.kind === 'finetune' ? {} : { precision });

/** Keeps the event loop busy for that share of the time, in turns of 20 ms. */
function keepBusy(share) {
  const timer = setInterval(() => {
    const end = performance.now() + 20 * share;
    while (performance.now() < end);
  }, 20);
  return () => clearInterval(timer);
}

/** The longest times between two turns of a timer of a millisecond while `work` goes on. */
async function blocksOf(work) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await setTimeout(20); // it counts from its second turn on
  delay.reset();
  await work();
  await setTimeout(5);
  delay.disable();
  return { longestMs: delay.max / 1e6, p999Ms: delay.percentile(99.9) / 1e6 };
}

/** The loss and the optimiser that the peer has, all steps alike. */
const asThePeer = {
  loss: 'cosine-mse',
  optimizer: 'notebook',
  schedule: 'constant',
  warmupSteps: 0,
  maxGradientNorm: 'none',
  merge: 1,
  folds: 1,
};

const works = {
  /** How long the caller's event loop stands still: while the model is loaded, in `embed`, in `finetune`. */
  async blocks() {
    const { pairs, scores, batchSize, texts } = request;
    const load = await blocksOf(() => tv.load());
    const embed = await blocksOf(() => tv.embed(texts));
    const finetune = await blocksOf(() =>
      tv.finetune(pairs, scores, {
        ...asThePeer,
        maxInputLength,
        precision,
        batchSize,
        effectiveBatchSize: batchSize,
        epochs: 1,
        seed: 1,
        onProgress: () => undefined,
      }),
    );
    return { load, embed, finetune };
  },
  async finetune() {
    await tv.load();
    const { pairs, scores, triplets, batchSize } = request;
    const release = request.busyLoop ? keepBusy(request.busyLoop) : () => undefined;
    let events = 0;
    let [first, last] = [NaN, NaN];
    const begin = performance.now();
    const options = {
      ...asThePeer,
      maxInputLength,
      precision,
      batchSize,
      effectiveBatchSize: request.stepSize ?? batchSize,
      validationSplit: 0,
      epochs: 1,
      seed: 1,
      onProgress: ({ type }) => {
        ++events;
        if (type !== 'step') return;
        last = performance.now();
        if (Number.isNaN(first)) first = last;
      },
    };
    const rows = triplets?.map(([anchor, positive, negative]) => ({ anchor, positive, negative }));
    const report = rows
      ? await tv.finetune(rows, { ...options, loss: 'multiple-negatives-ranking' })
      : await tv.finetune(pairs, scores, options);
    const seconds = (performance.now() - begin) / 1000;
    release();
    // The steps after the first alone: not the similarities of random pairs, before and after, that the report tells, nor
    // the first touch of memory.
    return { seconds, laterStepsSeconds: (last - first) / 1000, tokens: report.tokens, events };
  },
  async embed() {
    const options = maxInputLength === undefined ? {} : { maxInputLength };
    await tv.embed(request.texts.slice(0, 64), options);
    const begin = performance.now();
    await tv.embed(request.texts, options);
    return { seconds: (performance.now() - begin) / 1000 };
  },
  async single() {
    const times = [];
    for (const text of request.texts) {
      const begin = performance.now();
      await tv.embed(text);
      times.push(performance.now() - begin);
    }
    return quantiles(times);
  },
  /** The same texts eight at a time, by one call and by eight callers at once. */
  async callers() {
    const together = [];
    const apart = [];
    for (let first = 0; first + 8 <= request.texts.length; first += 8) {
      const eight = request.texts.slice(first, first + 8);
      let begin = performance.now();
      await tv.embed(eight);
      together.push(performance.now() - begin);
      begin = performance.now();
      await Promise.all(eight.map((text) => tv.embed(text)));
      apart.push(performance.now() - begin);
    }
    return { together: quantiles(together), apart: quantiles(apart) };
  },
  /** The search for negatives alone, over random vectors: `queries` anchors with a positive each, in `passages` texts. */
  async mine() {
    const { queries, passages, dimensions } = request;
    let state = 1;
    const random = () => (state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31;
    const model = { embed: async (texts) => texts.map(() => Float32Array.from({ length: dimensions }, random)) };
    const corpus = Array.from({ length: passages }, (_, i) => `passage ${i}`);
    const rows = Array.from({ length: queries }, (_, i) => ({ anchor: `query ${i}`, positive: corpus[i] }));
    let begin;
    const { report } = await mineHardNegatives(model, rows, {
      corpus,
      numNegatives: 5,
      // Queries are embedded between searches, which takes this model no time.
      onProgress: ({ type, role }) => {
        if (type === 'embedding' && role === 'document') begin = performance.now();
      },
    });
    return { seconds: (performance.now() - begin) / 1000, rows: report.rows };
  },
  /** Random bytes that are searched, and read once by the C library's memchr, which looks for what is not there. */
  async search() {
    const { vectors, queries, dimensions } = request;
    let state = 1;
    const bytes = (count) => {
      const data = new Int8Array(count * dimensions);
      for (let i = 0; i < data.length; ++i) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        data[i] = ((state >>> 16) % 255) - 127;
      }
      return { data, shape: [count, dimensions] };
    };
    const [corpus, asked] = [bytes(vectors), bytes(queries)];
    const index = await VectorIndex.of(corpus, { similarity: 'dot' });
    const best = async (work) => {
      let least = Infinity;
      for (let i = 0; i < 5; ++i) {
        const begin = performance.now();
        await work();
        least = Math.min(least, (performance.now() - begin) / 1000);
      }
      return least;
    };
    const memory = Buffer.from(corpus.data.buffer);
    const readSeconds = await best(() => {
      if (memory.indexOf(128) !== -1) throw new Error('-128 is none of the bytes');
    });
    const one = { data: asked.data.subarray(0, dimensions), shape: [1, dimensions] };
    const oneSeconds = await best(() => index.search(one, { topK: 10 }));
    const searchSeconds = await best(() => index.search(asked, { topK: 10 }));
    await index.dispose();
    return { readSeconds, oneSeconds, searchSeconds };
  },
  async start() {
    await tv.embed(request.texts[0]);
    return {};
  },
};
const result = await works[request.kind]();
console.log(
  `\n${JSON.stringify({
    ...result,
    residentBytes: process.memoryUsage.rss(),
    peakBytes: 1024 * process.resourceUsage().maxRSS,
  })}`,
);
await tv.dispose();
