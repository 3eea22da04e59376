import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkCharsmaps } from '../../../lib/tokenisation/charsmap';
import { Tokeniser } from '../../../lib/tokenisation/tokeniser';
import { ModelError } from '../../../lib/system/errors';
import { fixtureFolder } from '../model/support/fixture';
import { rejection } from '../model/support/rejection';

/** sentencepiece's table of characters as somebody made it, or as it broke on the way: the library would end the process. */

interface Precompiled {
  type: 'Precompiled';
  precompiled_charsmap: unknown;
}
const file = JSON.parse(readFileSync(join(fixtureFolder('xlm-roberta-mean'), 'tokenizer.json'), 'utf8')) as {
  normalizer: Precompiled;
};
const whole = Buffer.from(file.normalizer.precompiled_charsmap as string, 'base64');
const units = whole.readUInt32LE(0) / 4;

const refused = (table: unknown) => {
  const normalizer = {
    type: 'Sequence',
    normalizers: [{ type: 'NFC' }, { type: 'Precompiled', precompiled_charsmap: table }],
  };
  expect(() => checkCharsmaps(normalizer)).toThrow('"precompiled_charsmap"');
};
const changed = (change: (bytes: Buffer) => void) => {
  const bytes = Buffer.from(whole);
  change(bytes);
  return bytes.toString('base64');
};

test('the one that sentencepiece wrote, and others that have none', () => {
  expect(() => checkCharsmaps(file.normalizer)).not.toThrow();
  for (const other of [null, { type: 'Sequence', normalizers: [{ type: 'Lowercase' }] }, { type: 'NFC' }])
    expect(() => checkCharsmaps(other)).not.toThrow();
});

test.each<[string, unknown]>([
  ['none', undefined],
  ['a number', 7],
  ['an empty one', ''],
  ['no base64', 'ß'.repeat(20)],
  ['a trie that is longer than the file', changed((bytes) => bytes.writeUInt32LE(whole.length, 0))],
  ['no trie', changed((bytes) => bytes.writeUInt32LE(0, 0))],
  ['a root that leads out of the trie', changed((bytes) => bytes.writeUInt32LE((units << 10) >>> 0, 4))],
  ['replacements that are no UTF-8', changed((bytes) => bytes.writeUInt8(0xff, 4 + 4 * units))],
  ['cut off within the trie', whole.subarray(0, 500).toString('base64')],
])('refused: %s', (_, table) => refused(table));

test('a leaf that names what is beyond the replacements', () => {
  // darts-clone marks a place with a value by its highest bit.
  const places = Array.from({ length: units }, (_, i) => 4 + 4 * i);
  const values = places.filter((place) => whole.readUInt32LE(place) >= 2 ** 31);
  expect(values.length).toBeGreaterThan(2);
  const beyond = 2 ** 31 + whole.length - (4 + 4 * units) + 1;
  for (const place of values) refused(changed((bytes) => bytes.writeUInt32LE(beyond, place)));
});

test('a tokenizer of such a table is refused by its file, with one thread and another', async () => {
  const json = {
    ...file,
    normalizer: { type: 'Precompiled', precompiled_charsmap: changed((bytes) => bytes.writeUInt32LE(0, 0)) },
  };
  const files = new Map([['tokenizer.json', Buffer.from(JSON.stringify(json))]]);
  const asked = { folder: 'folder', files, tokenizerClass: 'XLMRobertaTokenizer', positions: 64, doLowerCase: false };
  for (const opened of [Tokeniser.open(asked), Tokeniser.openAsItIs(asked)]) {
    const error = await rejection(opened, ModelError, 'ERR_TOKENIZER');
    expect(error.message).toMatch(/tokenizer\.json.*"precompiled_charsmap"\) is damaged/);
  }
});
