import { createHash } from 'node:crypto';
import { hashTokens } from '../../../lib/finetune/checkpoint/identity';
import { groupTexts } from '../../../lib/data/groups';
import { tokeniseRows as tokeniseGroups } from '../../../lib/finetune/tokens';
import type { TextEncoder } from '../../../lib/tokenisation/tokenised-texts';

async function tokeniseRows(
  tokeniser: TextEncoder,
  rows: readonly (readonly string[])[],
  most: number,
  prompt: string,
  check: () => void,
) {
  return tokeniseGroups(
    tokeniser,
    await groupTexts(rows, check),
    most,
    [{ rows: rows.length, prompts: [{ text: prompt, tokens: 0 }] }],
    check,
  );
}

/** A token for each character; remembers what it was asked for. */
function characters(): TextEncoder & { asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    encode: async (texts) => {
      asked.push(...texts);
      const offsets = new Int32Array(texts.length + 1);
      texts.forEach((text, i) => {
        offsets[i + 1] = offsets[i]! + text.length;
      });
      return { ids: Int32Array.from(texts.join(''), (c) => c.charCodeAt(0)), offsets };
    },
  };
}

const rows = [
  ['ab', 'c'],
  ['c', 'ab'],
  ['defg', 'ab', 'c'],
];

test('a text is tokenised once however many rows name it, with its prompt', async () => {
  const tokeniser = characters();
  const tokens = await tokeniseRows(tokeniser, rows, 10, '>', () => undefined);
  expect(tokeniser.asked).toEqual(['>ab', '>c', '>defg']);
  expect([...tokens.offsets]).toEqual([0, 3, 5, 10]);
  expect([...tokens.columns]).toEqual([0, 1, 1, 0, 2, 0, 1]);
  expect([...tokens.rowOffsets]).toEqual([0, 2, 4, 7]);
  expect([...tokens.lengths]).toEqual([5, 5, 10]);
  expect(tokens.longest).toBe(5);
});

test('texts that become the same tokens are one', async () => {
  const cut: TextEncoder = {
    encode: (texts, most) =>
      characters().encode(
        texts.map((text) => text.toLowerCase().slice(0, most)),
        most,
      ),
  };
  const tokens = await tokeniseRows(
    cut,
    [
      ['abc', 'abd'],
      ['x', 'AB'],
      ['ABx', 'y'],
      ['X', 'ba'],
    ],
    2,
    '',
    () => undefined,
  );
  expect(String.fromCharCode(...tokens.ids)).toBe('abxyba');
  expect([...tokens.offsets]).toEqual([0, 2, 3, 4, 6]);
  expect([...tokens.columns]).toEqual([0, 0, 1, 0, 0, 2, 1, 3]);
  expect([...tokens.lengths]).toEqual([4, 3, 3, 3]);
  expect(tokens.longest).toBe(2);
});

test('the hash is that of the tokens as rows have them, as checkpoints before groups had it', async () => {
  const tokens = await tokeniseRows(characters(), rows, 10, '', () => undefined);
  const texts = rows.flat();
  const ends = texts.reduce((list, text) => [...list, list.at(-1)! + text.length], [0]);
  const ids = Array.from(texts.join(''), (c) => c.charCodeAt(0));
  const expected = createHash('sha256')
    .update(new Uint8Array(Int32Array.from([...ends, ...ids]).buffer))
    .digest('hex');
  expect(await hashTokens(tokens)).toBe(expected);

  // Longer than what is hashed at once.
  const many = Array.from({ length: 150_000 }, (_, i) => ['abc', String(i % 10)]);
  const long = await tokeniseRows(characters(), many, 10, '', () => undefined);
  const hash = createHash('sha256');
  const all = many.flat();
  const allEnds = new Int32Array(all.length + 1);
  all.forEach((text, i) => {
    allEnds[i + 1] = allEnds[i]! + text.length;
  });
  hash.update(new Uint8Array(allEnds.buffer));
  hash.update(new Uint8Array(Int32Array.from(all.join(''), (c) => c.charCodeAt(0)).buffer));
  expect(await hashTokens(long)).toBe(hash.digest('hex'));
});
