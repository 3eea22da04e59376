import { assembled, ReadyParts, type ReadyPart } from '../../../lib/tokenisation/ready-parts';
import type { ReadyTokenizer } from '../../../lib/tokenisation/tokenizer-json';
import type { JsonObject } from '../../../lib/system/json';

/** What a tokenizer was made of comes from its thread in parts, and is the same then. */

const WORDS = Array.from({ length: 10_000 }, (_, i) => `word ${i}`);

function tokenizer(model: JsonObject): ReadyTokenizer {
  const json = { version: '1.0', added_tokens: [{ id: 0, content: '<pad>' }], model, decoder: null };
  const run = { ...json, normalizer: { type: 'Lowercase' } };
  return { json, run, className: 'SomeTokenizer', roles: { pad_token: '<pad>' }, notes: ['a note'] };
}

/** The result, and the words or merges of the largest part; each part is copied as between threads. */
async function sent(ready: ReadyTokenizer): Promise<[ReadyTokenizer, number]> {
  const parts = new ReadyParts(ready);
  let most = 0;
  const found = await assembled(structuredClone(parts.frame), async (request) => {
    const part: ReadyPart = structuredClone(parts.part(request));
    most = Math.max(most, Array.isArray(part) ? part.length : part.names.length);
    return part;
  });
  return [found, most];
}

test.each<[string, JsonObject]>([
  [
    'words by their names, and merges',
    {
      type: 'BPE',
      vocab: JSON.parse(
        `{${['z', '__proto__', 'constructor', '10', '9', ...WORDS].map((word, id) => `${JSON.stringify(word)}:${id}`).join()}}`,
      ) as JsonObject,
      byte_fallback: true,
      merges: WORDS.map((word): [string, string] => [word, 'x']),
    },
  ],
  ['merges as texts', { type: 'BPE', merges: WORDS, vocab: { a: 0 } }],
  [
    'words with scores',
    { type: 'Unigram', vocab: WORDS.map((word, i): [string, number] => [word, -i / 7]), unk_id: 3 },
  ],
  ['nothing large', { type: 'WordLevel', vocab: {}, unk_token: '<unk>' }],
])('%s', async (_, model) => {
  const ready = tokenizer(model);
  const [found, most] = await sent(ready);
  expect(found).toEqual(ready);
  // The order of the words too.
  expect(JSON.stringify(found)).toBe(JSON.stringify(ready));
  expect(most).toBeLessThan(5000);
});
