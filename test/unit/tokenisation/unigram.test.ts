import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../../lib/system/errors';
import { readSentencePiece } from '../../../lib/tokenisation/sentencepiece';
import { Tokeniser } from '../../../lib/tokenisation/tokeniser';
import { fixtureFolder } from '../model/support/fixture';

/**
 * XLM-R's tokenizer and MPNet's from each of the files that a folder may have. The ids are those of transformers 5.24
 * (AutoTokenizer) for the same files; no vocabulary of a published model can be committed here.
 */

const TEXTS = [
  'the river  runs',
  'Ａ red kite ﬁsh', // full width, a ligature: the normaliser's table
  'rain\ton\nthe mill\u3000bridge',
  'a <mask> b<sep>c',
  '<s> </s> <pad> <unk>',
  '東京 🙂',
  '',
  '  ',
  'the  <sep> MILL',
];
const XLM_ROBERTA = [
  [0, 7, 8, 5, 32, 23, 40, 10, 2],
  [0, 6, 3, 59, 9, 6, 47, 14, 24, 5, 6, 48, 14, 10, 8, 2],
  [0, 23, 16, 14, 13, 6, 19, 7, 8, 5, 22, 21, 2],
  [0, 12, 65, 56, 4, 6, 3, 2],
  [0, 0, 2, 1, 3, 2],
  [0, 6, 3, 6, 3, 2],
  [0, 2],
  [0, 2],
  [0, 7, 8, 5, 4, 6, 3, 2],
];
const MPNET = [
  [0, 61, 59, 23, 48, 41, 46, 2],
  [0, 3, 66, 32, 16, 37, 47, 33, 3, 2],
  [0, 23, 30, 37, 41, 58, 61, 56, 54, 2],
  [0, 8, 68, 9, 3, 24, 33, 43, 3, 3, 2],
  [0, 0, 2, 1, 3, 26, 41, 38, 3, 2],
  [0, 3, 3, 3, 2],
  [0, 2],
  [0, 2],
  [0, 61, 3, 24, 33, 43, 3, 56, 2],
];

const config = 'tokenizer_config.json';
const spm = 'sentencepiece.bpe.model';

function open(name: 'xlm-roberta-mean' | 'bert-unigram' | 'mpnet-mean', files: readonly string[], edit = {}) {
  const tokenizerClass = { 'xlm-roberta-mean': 'XLMRoberta', 'bert-unigram': 'Bert', 'mpnet-mean': 'MPNet' }[name];
  const read = new Map<string, Buffer>(files.map((file) => [file, readFileSync(join(fixtureFolder(name), file))]));
  for (const [file, content] of Object.entries(edit)) read.set(file, Buffer.from(JSON.stringify(content)));
  return Tokeniser.open({
    folder: '/m',
    files: read,
    tokenizerClass: `${tokenizerClass}Tokenizer`,
    positions: 512,
    doLowerCase: false,
  });
}

async function idsOf(tokeniser: Tokeniser): Promise<number[][]> {
  const { ids, offsets } = await tokeniser.encode(TEXTS, 512);
  return TEXTS.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
}

test.each([
  ['xlm-roberta-mean', ['tokenizer.json', config], 'XLMRobertaTokenizer', XLM_ROBERTA],
  ['xlm-roberta-mean', ['tokenizer.json'], 'XLMRobertaTokenizer', XLM_ROBERTA],
  ['xlm-roberta-mean', [spm, config], 'XLMRobertaTokenizer', XLM_ROBERTA],
  ['xlm-roberta-mean', [spm], 'XLMRobertaTokenizer', XLM_ROBERTA],
  ['bert-unigram', ['tokenizer.json', config], 'PreTrainedTokenizer', XLM_ROBERTA],
  ['mpnet-mean', ['tokenizer.json', config], 'MPNetTokenizer', MPNET],
  ['mpnet-mean', ['vocab.txt'], 'MPNetTokenizer', MPNET],
] as const)('%s by %j', async (name, files, className, expected) => {
  const tokeniser = await open(name, files);
  expect((await tokeniser.ready()).className).toBe(className);
  expect(tokeniser.notes).toEqual([]);
  expect(await idsOf(tokeniser)).toEqual(expected);
});

test('what the class does otherwise than tokenizer.json says is told; what changes no token is not', async () => {
  const own = JSON.parse(readFileSync(join(fixtureFolder('xlm-roberta-mean'), 'tokenizer.json'), 'utf8'));
  const spaces = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' };
  const metaspace = { type: 'Metaspace', replacement: '▁', str_rep: '▁', add_prefix_space: true };
  const older = {
    ...own,
    normalizer: { type: 'Sequence', normalizers: [own.normalizer, spaces] },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
  };
  const same = await open('xlm-roberta-mean', [], { 'tokenizer.json': older });
  expect(same.notes).toEqual([]);
  expect(await idsOf(same)).toEqual(XLM_ROBERTA);
  const other = { ...own, pre_tokenizer: metaspace, model: { ...own.model, unk_id: 0 } };
  const told = await open('xlm-roberta-mean', [], { 'tokenizer.json': other });
  expect(told.notes).toEqual([
    expect.stringMatching(/pre-tokeniser of tokenizer\.json is not run/),
    expect.stringMatching(/has "unk_id": 0, and the tokenizer class XLMRobertaTokenizer .* has 3/),
  ]);
  expect(await idsOf(told)).toEqual(XLM_ROBERTA);
});

describe('a sentencepiece model', () => {
  const whole = readFileSync(join(fixtureFolder('xlm-roberta-mean'), spm));

  test('that is missing, or is of another kind, is told by its name', async () => {
    await expect(open('xlm-roberta-mean', [config])).rejects.toMatchObject({
      code: 'ERR_TOKENIZER',
      message: expect.stringMatching(/expected tokenizer\.json, or sentencepiece\.bpe\.model/),
    });
    // TrainerSpec (field 2) with model_type (field 3) BPE, behind the pieces
    const bpe = Buffer.concat([whole, Buffer.from([0x12, 2, 0x18, 2])]);
    const files = new Map([[spm, bpe]]);
    const source = { folder: '/m', files, tokenizerClass: 'XLMRobertaTokenizer', positions: 512, doLowerCase: false };
    await expect(Tokeniser.open(source)).rejects.toThrow(/of the type 2, and vectune converts Unigram/);
  });

  test('cut off anywhere, or with any byte changed, is read or refused and never anything else', () => {
    let refused = 0;
    const attempt = (bytes: Buffer) => {
      try {
        expect(readSentencePiece(bytes, '/m/x').pieces.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelError);
        ++refused;
      }
    };
    for (let end = 0; end < whole.length; ++end) attempt(whole.subarray(0, end));
    expect(refused).toBeGreaterThan(whole.length / 4);
    for (let at = 0; at < whole.length; ++at) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1 << (at % 8);
      attempt(changed);
    }
    attempt(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]));
  });
});
