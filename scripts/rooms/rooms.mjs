// The rooms of the house, from the ground up, and what lives in each. A file imports from its own room and from those
// below it; test/plain/rooms.test.mjs refuses anything else, and `npm run rooms -- --write` draws it.

/** lib: a room is a folder, or a file that stands beside them. */
export const LIB_ROOMS = [
  ['system', 'what knows nothing of embeddings: errors, options, files, archives, downloads, child processes'],
  ['libtorch', 'finding and installing LibTorch'],
  ['engine', 'the native addon: found, tried, loaded, and its typed contract'],
  ['data', 'rows and texts from lists, iterables and files'],
  ['tokenisation', "Hugging Face's tokenizers; texts as token ids in one buffer"],
  ['model', 'model folders: read, fetched, saved'],
  ['export', 'a model in the forms that other programs run'],
  ['push', "a model to a hub's repository, as one commit"],
  ['embed', 'texts to vectors, and their similarity'],
  ['search', 'the most similar of many vectors, exactly, in the engine'],
  ['evaluate', 'how good a model is on data: measures, evaluators, intervals, the comparison of two models'],
  ['mine', 'hard negatives: texts that are similar and do not belong together'],
  ['report', 'a run as one HTML file'],
  ['finetune', 'a run: options, finder, loop, checkpoints, report'],
  ['text-vectorisation-options', 'what TextVectorisation takes, as tables'],
  ['text-vectorisation', 'the class TextVectorisation'],
  ['merge', 'a model between several'],
  ['index', 'the public surface, and nothing that is not public'],
  ['ai-sdk', 'a model for the AI SDK, an entry of its own'],
  ['langchain', 'a model for LangChain, an entry of its own'],
  ['serve', 'models behind HTTP, as OpenAI and text-embeddings-inference have it; loaded by nobody who does not ask'],
  ['doctor', 'what was found on this machine, and what to type next'],
  ['cli', 'the command vectune'],
];

/** native/engine. */
export const ENGINE_ROOMS = [
  ['runtime', 'errors, cancellation, threads and their queues, the memory budget'],
  ['files', 'JSON, safetensors, fingerprints, locks'],
  ['model', "a model's description, parameters and weights; architectures/: one file for each plan"],
  ['nn', 'backend.h, the seam between what a model computes and how; encoder, head, dropout, packed texts'],
  ['losses', 'one file for each loss'],
  ['train', 'data set, step, trainer, its state'],
  ['embed', 'inference'],
  ['cpu', "the backend over the engine's own kernels"],
  ['search', 'the most similar of many vectors'],
  ['torch', "the backend over LibTorch's tensors, for GPUs"],
  ['backends', 'the only file that knows both'],
];

/** What the engine must not know of: it is built and tested without Node. */
export const NODE_HEADERS = /^(?:node_api|napi|node|js_native_api|v8|uv)(?:-inl)?\.h$/;
