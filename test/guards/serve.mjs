/** The server and files of vectors: bounds, clients that leave, models that are swapped, what is whole or not there. */
export const serve = {
  'lib/serve/admission.ts': [
    {
      guard: 'no more requests than there is room for',
      from: 'if (this.#requests >= this.maxRequests)',
      to: 'if (this.#requests < 0)',
      test: 'serve/traffic',
      name: '429 with Retry-After beyond the bounds',
    },
    {
      guard: 'a request that there is never room for is told so',
      from: 'if (own + tokens > this.maxTokens) {',
      to: 'if (tokens < 0) {',
      test: 'serve/traffic',
      name: 'the bound in tokens',
    },
    {
      guard: 'a place is given back with its tokens',
      from: 'this.#tokens -= own;',
      to: '',
      test: 'serve/traffic',
      name: 'an accepted request gives its tokens back',
    },
  ],
  'lib/serve/embed-inputs.ts': [
    {
      guard: "the folder's limits of queries and documents",
      from: 'const maxInputLength = model.lengthOf(kind);',
      to: 'const { maxInputLength } = model;',
      test: 'serve/prompts',
      name: 'input_type cuts by the limits',
    },
  ],
  'lib/serve/held-bytes.ts': [
    {
      guard: 'no more bytes than there is room for',
      from: 'if (this.#bytes + bytes > this.most) {',
      to: 'if (bytes < 0) {',
      test: 'serve/bounds',
      name: 'bodies that come in count against the bound',
    },
  ],
  'lib/serve/tokenize.ts': [
    {
      guard: 'the tokens of /tokenize count',
      from: 'place.take(placed.ids.length);',
      to: '',
      test: 'serve/bounds',
      name: 'tokens count against the bound',
    },
  ],
  'lib/serve/hosts.ts': [
    {
      guard: 'a name that was made to lead to this machine',
      from: 'if (isIP(host) !== 0 ||',
      to: 'if (host !== undefined ||',
      test: 'serve/traffic',
      name: 'an unkeyed server of this machine answers to no other name',
    },
  ],
  'lib/serve/api-keys.ts': [
    {
      guard: 'a variable of keys that has none',
      from: 'if (keys.length > 0) return keys;',
      to: 'if (keys.length >= 0) return keys;',
      test: 'serve/traffic',
      name: 'a variable of keys that has none makes no server',
    },
    {
      guard: 'a key that is none of the server',
      from: "if (matches === 0) throw new HttpError('unauthorized', 'This key is not one of the server.');",
      to: '',
      test: 'serve/traffic',
      name: 'keys, origins, the port, the options',
    },
  ],
  'lib/serve/read-body.ts': [
    {
      guard: 'a client that is still sending hears that it is refused',
      from: "request.on('error', () => undefined).resume();",
      to: 'request.destroy();',
      test: 'serve/bounds',
      name: 'whoever is still sending when a body is refused gets the answer',
    },
    {
      guard: 'a body that says nothing of its length',
      from: 'if (bytes > this.maxBytes) throw this.#tooLarge();',
      to: '',
      test: 'serve/traffic',
      name: 'hostile bodies are refused by name',
    },
    {
      guard: 'bytes that are no UTF-8',
      from: 'if (!isUtf8(bytes))',
      to: 'if (bytes === undefined)',
      test: 'serve/traffic',
      name: 'hostile bodies are refused by name',
    },
  ],
  'lib/serve/served-model.ts': [
    {
      guard: 'a model is given back when its last request is answered',
      from: 'return this.#leases === 0 ? Promise.resolve()',
      to: 'return this.#leases >= 0 ? Promise.resolve()',
      test: 'serve/traffic',
      name: 'a swap waits for requests',
    },
    {
      guard: 'a model answers to the name that was typed for it',
      from: '?? this.#byName.get(hubIdOf(name))',
      to: '',
      test: 'serve/endpoints',
      name: 'a model without a name of its own answers to its hub id',
    },
  ],
  'lib/serve/server.ts': [
    {
      guard: 'a client that left is not computed for',
      from: "reply.raw.once('close', left);",
      to: '',
      test: 'serve/traffic',
      name: 'clients that leave while they wait are not computed for',
      hangs: true,
    },
    {
      guard: 'a request that came in time is answered while the server stops',
      from: 'return503OnClosing: false,',
      to: '',
      test: 'serve/traffic',
      name: 'close: what was accepted is answered',
    },
  ],
  'lib/serve/page.ts': [
    {
      guard: 'the page may load nothing of others',
      from: "script-src 'self';",
      to: 'script-src *;',
      test: 'serve/page',
      name: 'it needs no key, and may load and ask nothing but this server',
    },
  ],
  'lib/embed/vector-file/npy.ts': [
    {
      guard: 'the header says how many there were',
      from: 'else await this.file.rewrite(this.#header(), 0);',
      to: '',
      test: 'embed/embed-file',
      name: 'vectors of width 3: the same bits in every format',
    },
  ],
  'lib/embed/vector-file/parquet.ts': [
    {
      guard: 'a row group is written before it is large',
      from: 'if (this.#heldBytes < GROUP_BYTES) continue;',
      to: 'continue;',
      test: 'embed/embed-file',
      name: 'many row groups',
    },
  ],
  'lib/embed/embed-file.ts': [
    {
      guard: 'nothing is left of a file that was not finished',
      from: 'await output.release();',
      to: '',
      test: 'embed/embed-file',
      name: 'whole or not at all',
    },
  ],
  'lib/search/rescore.ts': [
    {
      guard: 'of equal scores the lower number, after the second comparison too',
      from: 'scores[b]! - scores[a]! || row(a) - row(b)',
      to: 'scores[b]! - scores[a]!',
      test: 'search/quantized-index',
      name: 'of equal scores the first goes first',
    },
  ],
};
