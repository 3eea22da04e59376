import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTokenizerFiles } from '../../../lib/tokenisation/tokenizer-files';
import { Tokeniser } from '../../../lib/tokenisation/tokeniser';

/**
 * Ids that other implementations gave for the three vocabularies (swift-transformers, tokenizers.js), once
 * through tokenizer.json and once through a tokenizer made from the vocabulary alone. All of them are
 * single texts; the data's one text pair is not something that vectune encodes.
 */

const data = join(__dirname, '../../../../shared/data/tokenizers');
const golden = (name: string) => JSON.parse(readFileSync(join(data, 'golden', name), 'utf8'));
const present = existsSync(join(data, 'golden'));
if (!present) console.warn('Golden token ids are not tested: the folder shared/data/tokenizers is not here.');

interface Case {
  name: string;
  text: string;
  ids: number[];
}

function swift(tokenizer: string): Case[] {
  return golden('swift_tokenizer_tests.json')[tokenizer].map(
    (entry: { input: string; encoded: { input_ids: number[] } }, i: number) => ({
      name: `swift ${tokenizer} ${i}`,
      text: entry.input,
      ids: entry.encoded.input_ids,
    }),
  );
}

function javascript(tokenizer: string): Case[] {
  const cases = golden('tokenizers_js_expected.json')[tokenizer] as Record<
    string,
    { text: string; text_pair?: string; ids: number[] }
  >;
  return Object.entries(cases)
    .filter(([, entry]) => entry.text_pair === undefined)
    .map(([name, entry]) => ({ name: `js ${tokenizer} ${name}`, text: entry.text, ids: entry.ids }));
}

/** Ids of whole texts, special tokens left out. */
function inner(name: string, texts: string[], ids: number[][]): Case[] {
  return texts.map((text, i) => ({ name: `${name} ${i}`, text, ids: [101, ...ids[i]!, 102] }));
}

function encodedFile(file: string): Case[] {
  const entry = golden(file) as { text: string; token_ids: number[] };
  return [{ name: file, text: entry.text, ids: entry.token_ids }];
}

function questions(): Case[] {
  const texts = (golden('swift_question_tokens.json') as { original: string }[]).map((entry) => entry.original);
  return inner('squad', texts, golden('swift_tokenized_questions.json') as number[][]);
}

const vocabularies = [
  {
    folder: 'bert-base-uncased',
    tokenizerClass: 'BertTokenizer',
    lower: true,
    vocabulary: ['vocab.txt'],
    cases: () => [
      ...swift('bert-base-uncased'),
      ...swift('google-bert/bert-base-uncased'),
      ...javascript('Xenova/bert-base-uncased'),
      ...javascript('Xenova/distilbert-base-uncased-finetuned-sst-2-english'),
      ...encodedFile('swift_bert_uncased_encoded.json'),
      ...questions(),
    ],
    atLeast: 10_600,
  },
  {
    folder: 'all-MiniLM-L6-v2',
    tokenizerClass: 'BertTokenizer',
    lower: true,
    vocabulary: ['vocab.txt'],
    cases: () => [...swift('bert-base-uncased'), ...javascript('Xenova/bert-base-uncased')],
    atLeast: 48,
  },
  {
    folder: 'bert-base-multilingual-cased',
    tokenizerClass: 'BertTokenizer',
    lower: false,
    vocabulary: ['vocab.txt'],
    cases: () => [
      ...swift('distilbert/distilbert-base-multilingual-cased'),
      ...javascript('distilbert/distilbert-base-multilingual-cased'),
      ...javascript('Xenova/bert-base-multilingual-cased-ner-hrl'),
      ...javascript('Xenova/distiluse-base-multilingual-cased-v2'),
      ...encodedFile('swift_distilbert_cased_encoded.json'),
    ],
    atLeast: 50,
  },
  {
    folder: 'roberta-base',
    tokenizerClass: 'RobertaTokenizer',
    lower: false,
    vocabulary: ['vocab.json', 'merges.txt'],
    cases: () => javascript('Xenova/all-distilroberta-v1'),
    atLeast: 11,
  },
];

(present ? describe : describe.skip).each(vocabularies)('golden ids of $folder', (vocabulary) => {
  async function check(files: Map<string, Buffer>): Promise<void> {
    const cases = vocabulary.cases();
    expect(cases.length).toBeGreaterThanOrEqual(vocabulary.atLeast);
    const tokeniser = await Tokeniser.open({
      folder: vocabulary.folder,
      files,
      tokenizerClass: vocabulary.tokenizerClass,
      positions: 100_000,
      doLowerCase: false,
    });
    const { ids, offsets } = await tokeniser.encode(
      cases.map((entry) => entry.text),
      100_000,
    );
    const wrong = cases
      .map((entry, i) => ({ ...entry, found: Array.from(ids.subarray(offsets[i], offsets[i + 1])) }))
      .filter((entry) => entry.found.length !== entry.ids.length || entry.found.some((id, k) => id !== entry.ids[k]));
    expect(wrong.slice(0, 5)).toEqual([]);
  }

  test('by tokenizer.json', async () => {
    const files = await readTokenizerFiles(join(data, vocabulary.folder));
    const config = Buffer.from(JSON.stringify({ do_lower_case: vocabulary.lower }));
    await check(
      new Map([
        ['tokenizer.json', files.get('tokenizer.json')!],
        ['tokenizer_config.json', config],
      ]),
    );
  });

  test('by the vocabulary alone', async () => {
    const files = await readTokenizerFiles(join(data, vocabulary.folder));
    const alone = new Map(vocabulary.vocabulary.map((name) => [name, files.get(name)!]));
    alone.set('tokenizer_config.json', Buffer.from(JSON.stringify({ do_lower_case: vocabulary.lower })));
    await check(alone);
  });
});
