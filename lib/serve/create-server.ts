import type { ServeOptions } from './options';
import { checkServerPackages } from './packages';
import type { Models } from './served-model';
import type { VectuneServer } from './server';

export type { ModelToServe } from './model-to-serve';
export type { Models } from './served-model';
export type { ServedRequest, ServeOptions } from './options';
export type { VectuneServer } from './server';

/**
 * Makes an HTTP server of one model, or of several by name. It answers as OpenAI's API does (/v1/embeddings, /v1/models)
 * and as text-embeddings-inference does (/embed, /similarity, /tokenize, /info, /health, /metrics); docs/server.md has
 * the whole of it. It listens once `listen` is called. The models stay the caller's, to be disposed of after `close`.
 *
 * ```ts
 * import { createServer } from 'vectune/serve';
 *
 * const server = createServer(new TextVectorisation('my-model'), { port: 8080 });
 * console.log(await server.listen()); // http://127.0.0.1:8080
 * ```
 *
 * A model that tells questions and passages apart is served under two names, `{ questions: { model: tv, prompt: 'query' },
 * passages: { model: tv, prompt: 'document' } }`, so that clients that know of no prompts choose by the model's name.
 *
 * @throws InvalidArgumentError: something else than models; an option; ServerError ERR_SERVER_PACKAGES: fastify, prom-client
 *   or zod is not installed, or another version than the server needs
 */
export function createServer(models: Models, options?: ServeOptions): VectuneServer {
  checkServerPackages();
  // Not before: an `import` of the entry is not the place to fail in.
  const { VectuneServer: Server } = require('./server') as typeof import('./server');
  return new Server(models, options);
}
