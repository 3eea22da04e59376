import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import { removeFolders } from '../native/support/folders';
import { copyFixture, setFields, writeJson, type Json } from './support/fixture';

/** Where a model's limit in tokens comes from. */

afterAll(removeFolders);

// The fixture has 20 positions, and 18 as limit in both files.
test.each<[string, Json, Json, number]>([
  ['is the sentence configuration’s', { max_seq_length: 9 }, { model_max_length: 18 }, 9],
  ['is the tokenizer’s where that says nothing', { max_seq_length: null }, { model_max_length: 12 }, 12],
  ['may be called max_len there', {}, { model_max_length: undefined, max_len: 11 }, 11],
  ['is the positions where the tokenizer writes "no limit"', {}, { model_max_length: 1e30 }, 20],
  ['is the positions where nothing says', {}, { model_max_length: undefined }, 20],
  ['is at most the positions', {}, { model_max_length: 512 }, 20],
])('%s', async (_, sentence, tokenizer, limit) => {
  const folder = copyFixture('bert-mean');
  writeJson(sentence, folder, 'sentence_bert_config.json');
  setFields(tokenizer, folder, 'tokenizer_config.json');
  const opened = await openModel(folder);
  expect(opened).toMatchObject({ maxInputLength: limit, positions: 20 });
  expect(opened.layout.notes).toEqual([]);
});

test('leaves RoBERTa the positions behind its offset', async () => {
  const folder = copyFixture('roberta-mean');
  rmSync(join(folder, 'sentence_bert_config.json'));
  setFields({ model_max_length: 512 }, folder, 'tokenizer_config.json');
  expect(await openModel(folder)).toMatchObject({ maxInputLength: 20, positions: 20 });
});

test('that the positions do not allow is lowered, and a note says so', async () => {
  const folder = copyFixture('bert-mean');
  setFields({ max_seq_length: 256 }, folder, 'sentence_bert_config.json');
  const opened = await openModel(folder);
  expect(opened.maxInputLength).toBe(20);
  expect(opened.layout.notes).toEqual([expect.stringMatching(/256 tokens.*20 positions/)]);
});

test('cuts texts: only what is before it counts', async () => {
  const folder = copyFixture('bert-mean');
  setFields({ max_seq_length: 5 }, folder, 'sentence_bert_config.json');
  const opened = await openModel(folder);
  const texts = ['the old mill', 'the old mill and the bridge'];
  const { ids, offsets } = await opened.tokeniser.encode(texts, opened.maxInputLength);
  expect(Array.from(offsets)).toEqual([0, 5, 10]);
  expect(ids.slice(0, 5)).toEqual(ids.slice(5, 10));
});
