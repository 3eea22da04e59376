import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from 'tokenizers';
import { AsciiWordPiece } from '../../../lib/tokenisation/ascii-word-piece';
import type { JsonObject } from '../../../lib/system/json';
import { fixtureFolder } from '../model/support/fixture';

/** WordPiece of plain ASCII gives the ids of the tokenizers library. */

const read = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as JsonObject;
const json: JsonObject = {
  ...read(fixtureFolder('static-dense'), '0_StaticEmbedding', 'tokenizer.json'),
  truncation: null,
  padding: null,
};
const tokenizer = Tokenizer.fromString(JSON.stringify(json));
const ascii = AsciiWordPiece.of(json)!;
const theirs = async (text: string) => (await tokenizer.encode(text, null, { addSpecialTokens: false })).getIds();

test('any text of ASCII: the same ids', async () => {
  const words = fc.constantFrom(
    'river',
    'RIVER',
    'the',
    'harbours',
    'mooring',
    'xyzzy',
    "miller's",
    'a'.repeat(101),
    '##ing',
    '_',
    '~',
    '"',
  );
  const piece = fc.oneof(
    words,
    fc.string({ unit: 'binary-ascii', maxLength: 8 }),
    fc.constantFrom(' ', '\t', '\n', '\r\n', '  '),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  let done = 0;
  await fc.assert(
    fc.asyncProperty(text, async (one) => {
      const found = ascii.encode(one);
      if (found === undefined) return;
      ++done;
      expect(found).toEqual(await theirs(one));
    }),
    { numRuns: 2000, seed: 7 },
  );
  expect(done).toBeGreaterThan(500);
});

test('what is not plain, or may hold an added token, is left to the library', () => {
  for (const text of ['café', '\u0000', '\u007f', 'a [MASK] b', '[mask]', 'x[SEP]', '東京'])
    expect(ascii.encode(text)).toBeUndefined();
  expect(ascii.encode('')).toEqual([]);
});

test('a tokenizer that does anything else has none', () => {
  const model = json['model'] as JsonObject;
  for (const changed of [
    { normalizer: null },
    { normalizer: { ...(json['normalizer'] as JsonObject), clean_text: false } },
    { pre_tokenizer: { type: 'Whitespace' } },
    { model: { ...model, type: 'BPE' } },
    { model: { ...model, unk_token: 'nowhere' } },
  ])
    expect(AsciiWordPiece.of({ ...json, ...changed })).toBeUndefined();
});
