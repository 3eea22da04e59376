// One piece of work by transformers.js (onnxruntime-node), in a process of its own:
//   node peer_transformers_js.mjs REQUEST.json
// The request: kind ('embed' | 'single' | 'start'), package (folder with node_modules), model (folder with onnx/),
// dtype ('fp32' | 'q8'), threads, sorted, texts, batchSize. Prints one JSON object.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { quantiles } from './quantiles.mjs';

const request = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const resolve = createRequire(join(request.package, 'package.json')).resolve;
const { env, pipeline } = await import(pathToFileURL(resolve('@huggingface/transformers')));
env.allowRemoteModels = false;
env.localModelPath = dirname(request.model);

const extract = await pipeline('feature-extraction', basename(request.model), {
  dtype: request.dtype,
  session_options: { intraOpNumThreads: request.threads, interOpNumThreads: 1 },
});
const vectors = (texts) => extract(texts, { pooling: 'mean', normalize: true });

/** As given, or the longest first: the library itself does not sort. */
async function embed(texts) {
  const order = texts.map((text, i) => [text.length, i]);
  if (request.sorted) order.sort((a, b) => b[0] - a[0]);
  for (let first = 0; first < texts.length; first += request.batchSize) {
    await vectors(order.slice(first, first + request.batchSize).map(([, i]) => texts[i]));
  }
}

const works = {
  async embed() {
    await embed(request.texts.slice(0, 64));
    const begin = performance.now();
    await embed(request.texts);
    return { seconds: (performance.now() - begin) / 1000 };
  },
  async single() {
    const times = [];
    for (const text of request.texts) {
      const begin = performance.now();
      await vectors([text]);
      times.push(performance.now() - begin);
    }
    return quantiles(times);
  },
  async start() {
    await vectors([request.texts[0]]);
    return {};
  },
};
const result = await works[request.kind]();
console.log(`\n${JSON.stringify({ ...result, peakBytes: 1024 * process.resourceUsage().maxRSS })}`);
