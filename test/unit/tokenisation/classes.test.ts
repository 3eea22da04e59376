import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../../lib/system/errors';
import { ARCHITECTURES } from '../../../lib/model/architectures';
import { Tokeniser, type TokeniserSource } from '../../../lib/tokenisation/tokeniser';
import { openModel } from '../../../lib/model/open';
import { saveModel } from '../../../lib/model/save/save';
import { loadEngine } from '../../../lib/engine/load';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { inEngine } from '../model/support/engine';
import { copyFixture, fixtureFolder, readJson, setFields, writeJson } from '../model/support/fixture';

/**
 * Which tokenizer comes of a folder's files: the class that is named or follows, the tokens that files beside it add. The
 * ids are those of transformers 5.24 (AutoTokenizer).
 */

afterAll(removeFolders);

const shared = join(__dirname, '../../../../shared/data/tokenizers');
const present = existsSync(shared);
if (!present)
  console.warn('Classes of real vocabularies are not tested: the folder shared/data/tokenizers is not here.');

type Extra = Record<string, unknown>;
const source = (
  read: (name: string) => Buffer,
  names: readonly string[],
  extra: Extra,
  more: Partial<TokeniserSource>,
) => {
  const files = new Map(names.map((name) => [name, read(name)]));
  for (const [name, value] of Object.entries(extra)) files.set(name, Buffer.from(JSON.stringify(value)));
  return Tokeniser.open({
    folder: '/m',
    files,
    tokenizerClass: 'BertTokenizer',
    positions: 1000,
    doLowerCase: false,
    ...more,
  });
};
const real = (base: string, names: readonly string[], extra: Extra = {}, more: Partial<TokeniserSource> = {}) =>
  source((name) => readFileSync(join(shared, base, name)), names, extra, more);
const tiny = (names: readonly string[], extra: Extra = {}, more: Partial<TokeniserSource> = {}) =>
  source((name) => readFileSync(join(fixtureFolder('bert-dense'), name)), names, extra, more);
const idsOf = async (tokeniser: Tokeniser, text: string) => [...(await tokeniser.encode([text], 1000)).ids];

const token = (content: string, fields: object = {}) => ({
  content,
  lstrip: false,
  rstrip: false,
  single_word: false,
  normalized: false,
  special: false,
  ...fields,
});

(present ? describe : describe.skip).each([
  ['vocab.txt', ['vocab.txt']],
  ['tokenizer.json', ['tokenizer.json']],
])('bert-base-uncased by %s, with', (_, names) => {
  const uncased = (extra: Extra, more?: Partial<TokeniserSource>) => real('bert-base-uncased', names, extra, more);

  test('added_tokens.json: ids in the middle of a text, of upper case too, in the order of the ids', async () => {
    const tokeniser = await uncased({ 'added_tokens.json': { covid19x: 30522 } });
    expect(await idsOf(tokeniser, 'the covid19x vaccine')).toEqual([101, 1996, 30522, 17404, 102]);
    expect(await idsOf(tokeniser, 'The COVID19X vaccine, thecovid19xs')).toEqual([
      101, 1996, 30522, 17404, 1010, 1996, 30522, 1055, 102,
    ]);
    expect(tokeniser.vocabularySize).toBe(30523);
    expect(tokeniser.notes).toEqual([]);
    const two = await uncased({ 'added_tokens.json': { covid19x: 30523, 'Foo Bar': 30522, the: 30524 } });
    expect(await idsOf(two, 'the covid19x')).toEqual([101, 1996, 30523, 102]);
    expect(await idsOf(two, 'Foo Bar foo bar')).toEqual([101, 30522, 30522, 102]);
    expect(two.notes).toEqual([expect.stringMatching(/names the id 30524 for the token 'the'; it has 1996,/)]);
  });

  test('added_tokens_decoder: alone, whatever the older files say', async () => {
    const added_tokens_decoder = {
      30522: token('covid19x', { normalized: true }),
      30523: token('Covid20', { single_word: true }),
    };
    const tokeniser = await uncased({
      'tokenizer_config.json': { added_tokens_decoder, cls_token: '[unused7]' },
      'added_tokens.json': { zork: 30524 },
      'special_tokens_map.json': { cls_token: '[unused5]' },
    });
    expect(await idsOf(tokeniser, 'COVID19X zork')).toEqual([8, 30522, 1062, 2953, 2243, 102]);
    expect(await idsOf(tokeniser, 'Covid20 covid20')).toEqual([8, 30523, 2522, 17258, 11387, 102]);
  });

  test('special_tokens_map.json: its tokens are put around a text, before those of tokenizer_config.json', async () => {
    const sep_token = { content: '[unused6]', lstrip: false, normalized: false, rstrip: false, single_word: false };
    const tokeniser = await uncased({
      'special_tokens_map.json': { cls_token: '[unused5]', sep_token, additional_special_tokens: ['<q>'] },
      'tokenizer_config.json': { cls_token: '[unused7]' },
    });
    expect(await idsOf(tokeniser, 'the <q> cats')).toEqual([6, 1996, 30522, 8870, 7]);
  });

  test('tokens that a configuration lists', async () => {
    for (const name of ['additional_special_tokens', 'extra_special_tokens']) {
      const tokeniser = await uncased({ 'tokenizer_config.json': { [name]: ['<q>', '[unused9]'] } });
      expect(await idsOf(tokeniser, '<q>cats [unused9]')).toEqual([101, 30522, 8870, 10, 102]);
    }
    const named = { extra_special_tokens: { image_token: '<q>' }, boi_token: '<p>' };
    const tokeniser = await uncased({ 'tokenizer_config.json': named });
    expect((await idsOf(tokeniser, '<p> <q>')).sort()).toEqual([101, 102, 30522, 30523]);
  });

  test('an added token that the model has no row for: refused, with the file', async () => {
    for (const extra of [
      { 'added_tokens.json': { covid19x: 30522 } },
      { 'tokenizer_config.json': { added_tokens_decoder: { 30522: token('covid19x') } } },
      { 'tokenizer_config.json': { extra_special_tokens: ['covid19x'] } },
    ]) {
      const file = `/m/${Object.keys(extra)[0]}`;
      await expect(uncased(extra, { rows: 30522 })).rejects.toMatchObject({
        code: 'ERR_TOKENIZER',
        file,
        message: expect.stringMatching(/adds the token 'covid19x', which gets the id 30522, but .* ids up to 30521/),
      });
      await expect(uncased(extra, { rows: 30523 })).resolves.toBeInstanceOf(Tokeniser);
    }
  });

  test.each(['BertTokenizerFast', 'DistilBertTokenizer', 'ElectraTokenizer', 'MobileBertTokenizer'])(
    'the class %s: as BertTokenizer',
    async (tokenizer_class) => {
      const tokeniser = await uncased({ 'tokenizer_config.json': { tokenizer_class } });
      expect(await idsOf(tokeniser, 'Île COVID')).toEqual([101, 17869, 2522, 17258, 102]);
    },
  );

  test.each(['BertJapaneseTokenizer', 'BertweetTokenizer', 'CanineTokenizer', 'RoCBertTokenizer', 'FunnelTokenizer'])(
    'the class %s: refused by its name, wherever it stands',
    async (tokenizer_class) => {
      for (const more of [{ encoderConfig: { tokenizer_class } }, {}]) {
        const extra = 'encoderConfig' in more ? {} : { 'tokenizer_config.json': { tokenizer_class } };
        const failure = uncased(extra, more);
        await expect(failure).rejects.toMatchObject({
          code: 'ERR_TOKENIZER',
          file: 'encoderConfig' in more ? '/m/config.json' : '/m/tokenizer_config.json',
          message: expect.stringContaining(`"${tokenizer_class}"`),
        });
      }
    },
  );

  test.each([
    ['word_tokenizer_type', 'mecab'],
    ['subword_tokenizer_type', 'character'],
  ])('%s: %s, without its class: refused', async (name, value) => {
    await expect(uncased({ 'tokenizer_config.json': { [name]: value } })).rejects.toThrow(`"${name}" is '${value}'`);
  });
});

(present ? describe : describe.skip)('a cased tokenizer.json', () => {
  const cased = (extra: Extra, tokenizerClass = 'BertTokenizer') =>
    real('bert-base-multilingual-cased', ['tokenizer.json'], extra, { tokenizerClass });

  test.each(['bert', 'distilbert'] as const)(
    'of %s is lower-cased by the default of its class, and told',
    async (name) => {
      const tokeniser = await cased({}, ARCHITECTURES[name].tokenizerClass);
      expect(await idsOf(tokeniser, 'The COVID')).toEqual([101, 10105, 11170, 32194, 102]);
      expect(tokeniser.notes).toEqual([
        'tokenizer.json has "lowercase": false, and the tokenizer class BertTokenizer (which the architecture has where no ' +
          'file names one) has true, which counts, as in transformers 5 (its default, as tokenizer_config.json has no ' +
          '"do_lower_case"; write "do_lower_case": false into it if tokenizer.json is right).',
      ]);
    },
  );

  test.each<[string, object]>([
    ['do_lower_case false', { do_lower_case: false }],
    ['a class that runs the file', { tokenizer_class: 'PreTrainedTokenizerFast', do_lower_case: true }],
    ['a class that nobody knows', { tokenizer_class: 'OurOwnTokenizer' }],
  ])('is not under %s', async (_, config) => {
    const tokeniser = await cased({ 'tokenizer_config.json': config });
    expect(await idsOf(tokeniser, 'The')).toEqual([101, 10117, 102]);
    expect(tokeniser.notes).toEqual([]);
  });
});

(present ? describe : describe.skip).each([
  ['the vocabulary', ['vocab.json', 'merges.txt']],
  ['tokenizer.json', ['tokenizer.json']],
])('roberta-base by %s', (_, names) => {
  const roberta = (extra: Extra) => real('roberta-base', names, extra, { tokenizerClass: 'RobertaTokenizer' });

  test('added tokens, a space before the first word', async () => {
    const tokeniser = await roberta({ 'added_tokens.json': { covid19x: 50265 } });
    expect(await idsOf(tokeniser, 'the covid19x vaccine')).toEqual([0, 627, 1437, 50265, 9937, 2]);
    const prefixed = await roberta({ 'tokenizer_config.json': { add_prefix_space: true } });
    expect((await idsOf(prefixed, 'the'))[1]).toBe(5);
  });
});

describe('the tiny vocabulary', () => {
  test.each([[['vocab.txt']], [['tokenizer.json']]])('%p: an added token', async (names) => {
    const tokeniser = await tiny(names, { 'added_tokens.json': { mistral: 69 } });
    expect(await idsOf(tokeniser, 'the Mistral river')).toEqual([2, 62, 69, 60, 3]);
    await expect(tiny(names, { 'added_tokens.json': { mistral: 69 } }, { rows: 69 })).rejects.toThrow(
      /added_tokens\.json adds the token 'mistral', which gets the id 69/,
    );
  });

  test('a special token that it lacks and no text needs: left out, and told', async () => {
    const tokeniser = await source(
      () =>
        Buffer.from(readFileSync(join(fixtureFolder('bert-dense'), 'vocab.txt'), 'utf8').replace('[MASK]', '[other]')),
      ['vocab.txt'],
      {},
      { rows: 69 },
    );
    expect(tokeniser.notes).toEqual([
      "The vocabulary has no '[MASK]' (mask_token): in a text it is read as any other word.",
    ]);
    expect(tokeniser.vocabularySize).toBe(69);
  });

  test.each(['PreTrainedTokenizerFast', 'OurOwnTokenizer', 'GPT2Tokenizer'])(
    'alone, under the class %s, which only a tokenizer.json describes: refused by its name',
    async (tokenizer_class) => {
      await expect(tiny(['vocab.txt'], { 'tokenizer_config.json': { tokenizer_class } })).rejects.toMatchObject({
        code: 'ERR_TOKENIZER',
        message: expect.stringMatching(
          new RegExp(
            `names the tokenizer class "${tokenizer_class}", .* tokenizer\\.json only.*python -c "from transf`,
            's',
          ),
        ),
      });
    },
  );

  test('alone, where no file names a class and the architecture has one that only a tokenizer.json describes', async () => {
    await expect(tiny(['vocab.txt'], {}, { tokenizerClass: 'Qwen2Tokenizer' })).rejects.toMatchObject({
      code: 'ERR_TOKENIZER',
      message: expect.stringMatching(
        /^No file of \/m names a tokenizer class, and the architecture has "Qwen2Tokenizer", /,
      ),
    });
    await expect(tiny(['vocab.txt'], {}, { tokenizerClass: 'PreTrainedTokenizer' })).rejects.toMatchObject({
      code: 'ERR_TOKENIZER',
      message: expect.stringMatching(/^The tokenizer of this architecture is run from a tokenizer\.json.*python -c/s),
    });
  });

  test('of ModernBERT is run as it is, whatever class is named, as in transformers', async () => {
    const word = 'The Mill';
    const cased = (tokenizer_class: string, more: Partial<TokeniserSource>) =>
      source(
        () => {
          const json = readJson(fixtureFolder('bert-dense'), 'tokenizer.json');
          return Buffer.from(JSON.stringify({ ...json, normalizer: null }));
        },
        ['tokenizer.json'],
        { 'tokenizer_config.json': { tokenizer_class } },
        more,
      );
    const bert = await cased('BertTokenizer', {});
    expect(await idsOf(bert, word)).toEqual(await idsOf(await tiny(['vocab.txt']), word));
    const { tokenizerClass } = ARCHITECTURES.modernbert;
    for (const name of ['BertTokenizer', 'RobertaTokenizer', 'BertJapaneseTokenizer']) {
      const modern = await cased(name, { tokenizerClass });
      expect(await idsOf(modern, word)).toEqual(await idsOf(await cased('PreTrainedTokenizerFast', {}), word));
      expect(await idsOf(modern, word)).not.toEqual(await idsOf(bert, word));
      expect(modern.notes).toEqual([]);
    }
  });

  test.each([
    ['LlamaTokenizer', 1],
    ['T5Tokenizer', 1],
    ['PreTrainedTokenizerFast', 0],
    ['OurOwnTokenizer', 0],
  ])('of the class %s, which transformers makes anew and vectune does not: told', async (tokenizer_class, notes) => {
    const tokeniser = await tiny(['tokenizer.json'], { 'tokenizer_config.json': { tokenizer_class } });
    expect(tokeniser.notes).toHaveLength(notes);
    if (notes > 0)
      expect(tokeniser.notes[0]).toMatch(/run as it is; transformers 5 makes the tokenizer class \w+ .* anew/);
  });

  test.each(['qwen3-mean', 'gemma3_text-mean'] as const)(
    'of %s says what its class would make: nothing is told, until it says something else',
    async (name) => {
      const folder = copyFixture(name);
      expect((await openModel(folder)).layout.notes).toEqual([]);
      setFields({ normalizer: { type: 'Lowercase' } }, folder, 'tokenizer.json');
      expect((await openModel(folder)).layout.notes).toEqual([
        expect.stringMatching(/makes the tokenizer class .* anew/),
      ]);
    },
  );

  test('whose texts get no special token: an empty text has that of the end, or of padding', async () => {
    const bare = (config: object) =>
      source(
        () => {
          const json = readJson(fixtureFolder('bert-dense'), 'tokenizer.json');
          return Buffer.from(JSON.stringify({ ...json, post_processor: null }));
        },
        ['tokenizer.json'],
        { 'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast', ...config } },
        {},
      );
    const [pad, end] = [await bare({ pad_token: '[PAD]' }), await bare({ pad_token: '[PAD]', eos_token: '[SEP]' })];
    const { offsets, ids } = await end.encode(['the', '', 'mill', ' '], 10);
    expect([...offsets]).toEqual([0, 1, 2, 3, 4]);
    expect([ids[1], ids[3]]).toEqual([3, 3]);
    expect(await idsOf(pad, '')).toEqual([0]);
    expect(await idsOf(await tiny(['tokenizer.json']), '')).toEqual([2, 3]); // they have theirs
    await expect((await bare({})).encode(['the', ''], 10)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      row: 1,
      message: expect.stringMatching(/row 1 .*'', has no token by \/m\/tokenizer\.json/),
    });
  });

  test.each<[string, Extra, RegExp]>([
    ['an id that is none', { 'added_tokens.json': { a: -1 } }, /added_tokens\.json: the id of the token 'a' must be/],
    ['an id that is a text', { 'added_tokens.json': { a: '7' } }, /the id of the token 'a' must be an integer from 0/],
    ['a list', { 'tokenizer_config.json': { added_tokens_decoder: [] } }, /"added_tokens_decoder" must be an object/],
    ['a text', { 'tokenizer_config.json': { added_tokens_decoder: { 7: 'a' } } }, /must be an object with a "content"/],
    [
      'a key that is no id',
      { 'tokenizer_config.json': { added_tokens_decoder: { x: token('a') } } },
      /the id of the token 'a' must be an integer from 0, found 'x'/,
    ],
    [
      'a flag that is none',
      { 'tokenizer_config.json': { added_tokens_decoder: { 7: token('a', { lstrip: 'no' }) } } },
      /"lstrip" of the token 'a' must be true or false, found 'no'/,
    ],
    ['a class that is none', { 'tokenizer_config.json': { tokenizer_class: 7 } }, /"tokenizer_class" must be a string/],
  ])('with damage: %s', async (_, extra, message) => {
    const failure = tiny(['vocab.txt'], extra);
    await expect(failure).rejects.toBeInstanceOf(ModelError);
    await expect(failure).rejects.toThrow(message);
  });

  test('notes stand in what the model tells of itself; an added token is trained, saved and read again', async () => {
    const folder = copyFixture('bert-dense');
    writeJson({ mistral: 68 }, folder, 'added_tokens.json');
    const vocab = readFileSync(join(folder, 'vocab.txt'), 'utf8').trimEnd().split('\n');
    expect(vocab).toHaveLength(69);
    const json = readJson<{ model: { vocab: Record<string, number> }; normalizer: object }>(folder, 'tokenizer.json');
    delete json.model.vocab[vocab[68]!];
    writeJson({ ...json, normalizer: { ...json.normalizer, lowercase: false } }, folder, 'tokenizer.json');
    setFields({ tokenizer_class: 'BertTokenizer', do_lower_case: undefined }, folder, 'tokenizer_config.json');
    const opened = await openModel(folder);
    expect(opened.layout.notes).toEqual([expect.stringContaining('"lowercase": false')]);
    const text = ['The Mistral River'];
    const ids = (await opened.tokeniser.encode(text, 18)).ids;
    expect([...ids]).toEqual([2, 62, 68, 60, 3]);
    const target = join(temporaryFolder(), 'saved');
    await inEngine(opened, async (_, handle) => saveModel(opened, await loadEngine(), handle, target));
    expect((await (await openModel(target)).tokeniser.encode(text, 18)).ids).toEqual(ids);
  });
});
