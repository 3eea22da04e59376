// Runs exports by the programs that they are for, in a process of its own:
//   node peer.mjs REQUEST.json
// The request: package (folder with node_modules) and works, each with kind ('onnxruntime' | 'transformers.js' |
// 'llama.cpp'), model (a graph, a folder, a GGUF file), out (file for the vectors as fp32), and texts, or token ids.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { package: root, works } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const resolve = createRequire(join(root, 'package.json')).resolve;
const load = (name) => import(pathToFileURL(resolve(name)));
const AT_ONCE = 32;
const MOST_TOKENS = 1024;

const kinds = {
  /** The graph alone, on token ids. */
  async onnxruntime({ model, ids }) {
    const { default: ort } = await load('onnxruntime-node');
    const session = await ort.InferenceSession.create(model);
    const vectors = [];
    for (let first = 0; first < ids.length; first += AT_ONCE) {
      const rows = ids.slice(first, first + AT_ONCE);
      const width = Math.max(...rows.map((row) => row.length));
      const tensor = (of) =>
        new ort.Tensor(
          'int64',
          BigInt64Array.from(
            rows.flatMap((row) => of(row)),
            BigInt,
          ),
          [rows.length, width],
        );
      const filled = (row, filler) => [...row, ...Array(width - row.length).fill(filler)];
      const feeds = {
        input_ids: tensor((row) => filled(row, 1)),
        attention_mask: tensor((row) => filled(Array(row.length).fill(1), 0)),
        token_type_ids: tensor(() => Array(width).fill(0)),
      };
      const known = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
      const { sentence_embedding: found, last_hidden_state: hidden } = await session.run(known);
      if (hidden.dims[1] !== width) throw new Error(`last_hidden_state is ${hidden.dims}`);
      vectors.push(...found.data);
    }
    await session.release();
    return vectors;
  },

  /** The folder, by the library's own tokenizer; the pipeline too where the model is one that it pools. */
  async 'transformers.js'({ model, dtype, texts, pipeline: pool }) {
    const { AutoModel, AutoTokenizer, env, pipeline } = await load('@huggingface/transformers');
    env.allowRemoteModels = false;
    env.localModelPath = dirname(model);
    const vectors = [];
    if (pool) {
      const extract = await pipeline('feature-extraction', basename(model), { ...(dtype && { dtype }) });
      for (let i = 0; i < texts.length; i += AT_ONCE)
        vectors.push(...(await extract(texts.slice(i, i + AT_ONCE), pool)).data);
      return vectors;
    }
    const tokenizer = await AutoTokenizer.from_pretrained(basename(model));
    const encoder = await AutoModel.from_pretrained(basename(model), { ...(dtype && { dtype }) });
    for (let i = 0; i < texts.length; i += AT_ONCE) {
      const inputs = await tokenizer(texts.slice(i, i + AT_ONCE), { padding: true, truncation: true });
      vectors.push(...(await encoder(inputs)).sentence_embedding.data);
    }
    return vectors;
  },

  /** Texts, or token ids with those around a text. */
  async 'llama.cpp'({ model, texts, ids }) {
    const { getLlama, LlamaLogLevel } = await load('node-llama-cpp');
    const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
    const opened = await llama.loadModel({ modelPath: model });
    // Its threads spin where others are at work, and a context is as large as the model allows.
    const context = await opened.createEmbeddingContext({ threads: 1, contextSize: { max: MOST_TOKENS } });
    const vectors = [];
    for (const text of ids ?? texts) vectors.push(...(await context.getEmbeddingFor(text)).vector);
    return vectors;
  },
};

for (const work of works) {
  const vectors = await kinds[work.kind](work);
  writeFileSync(work.out, Float32Array.from(vectors));
}
// llama.cpp's threads would keep the process.
process.exit();
