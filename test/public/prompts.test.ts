import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError, TextVectorisation } from '../../lib/index';
import { withKnownPrompts } from '../../lib/model/prompts';
import { models as presets } from '../../lib/model/presets';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { copyFixture, readJson, setFields, writeJson } from '../unit/model/support/fixture';

/** Prompts by name and by text, and vectors that are cut to their first numbers. */

afterAll(removeFolders);

const SEARCHING = 'Represent this sentence for searching relevant passages: ';
const INSTRUCT = 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ';
const ABOUT = 'config_sentence_transformers.json';
const TEXTS = ['the old stone bridge', 'rain fell on the boats', ''];
const PROMPTS = { query: 'who ', passage: 'the harbour: ' };

async function using<T>(folder: string, work: (tv: TextVectorisation) => Promise<T>): Promise<T> {
  const tv = new TextVectorisation(folder, { device: 'cpu' });
  try {
    return await work(tv);
  } finally {
    await tv.dispose();
  }
}

function withPrompts(prompts: object, more: object = {}): string {
  const folder = copyFixture('mpnet-mean'); // which normalises
  setFields({ prompts, ...more }, folder, ABOUT);
  return folder;
}

test('a prompt goes before each text, by its name or as a text', async () => {
  await using(withPrompts(PROMPTS), async (tv) => {
    const expected = await tv.embed(TEXTS.map((text) => `who ${text}`));
    const plain = await tv.embed(TEXTS);
    expect(expected).not.toEqual(plain);
    expect(await tv.embed(TEXTS, { prompt: 'query' })).toEqual(expected);
    expect(await tv.embed(TEXTS, { prompt: 'who ' })).toEqual(expected);
    expect(await tv.embedQueries(TEXTS)).toEqual(expected);
    expect(await tv.embedQueries(TEXTS[0]!)).toEqual(expected[0]);
    expect(await tv.embedDocuments(TEXTS)).toEqual(await tv.embed(TEXTS.map((text) => `the harbour: ${text}`)));
    expect(await tv.embedDocuments(TEXTS, { prompt: '' })).toEqual(plain);
    expect((await tv.info()).prompts).toEqual(PROMPTS);
    // Callers at the same time keep their own.
    const [a, b] = await Promise.all([tv.embed(TEXTS, { prompt: 'query' }), tv.embed(TEXTS)]);
    expect([a, b]).toEqual([expected, plain]);
  });
});

test('a default prompt counts where none is asked for, and can be put off', async () => {
  await using(withPrompts(PROMPTS, { default_prompt_name: 'query' }), async (tv) => {
    const plain = await tv.embed(TEXTS, { prompt: '' });
    expect(await tv.embed(TEXTS)).toEqual(await tv.embed(TEXTS, { prompt: 'query' }));
    expect(await tv.embed(TEXTS)).not.toEqual(plain);
  });
});

test('a name that the model does not have is refused, with those that it has', async () => {
  await using(withPrompts(PROMPTS), async (tv) => {
    const failure = tv.embed(TEXTS, { prompt: 'document' });
    await expect(failure).rejects.toThrow(InvalidArgumentError);
    await expect(failure).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringMatching(
        /'document', and the model \S+ has the prompts 'query', 'passage'\..*space or a colon/s,
      ),
    });
    await expect(tv.embed(TEXTS, { prompt: 3 as never })).rejects.toThrow(/the name of one of the model's prompts/);
  });
  await using(copyFixture('bert-mean'), async (tv) => {
    await expect(tv.embed(TEXTS, { prompt: 'query' })).rejects.toThrow(/has no prompts/);
    expect(await tv.embedQueries(TEXTS)).toEqual(await tv.embed(TEXTS));
  });
});

test('a pooling that leaves the prompt out gives other vectors with a prompt, and the same without', async () => {
  const folder = withPrompts(PROMPTS);
  const [whole, plain] = await using(folder, async (tv) => [
    await tv.embed(TEXTS, { prompt: 'query' }),
    await tv.embed(TEXTS),
  ]);
  setFields({ include_prompt: false }, folder, '1_Pooling', 'config.json');
  await using(folder, async (tv) => {
    const [without, bare] = await Promise.all([tv.embed(TEXTS, { prompt: 'query' }), tv.embed(TEXTS)]);
    expect(bare).toEqual(plain);
    expect(without).not.toEqual(whole);
    expect(without).not.toEqual(plain);
  });
});

const length = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));

test.each(['mpnet-mean', 'bert-mean'] as const)('vectors of %s cut to their first numbers', async (name) => {
  const folder = copyFixture(name);
  const whole = await using(folder, (tv) => tv.embed(TEXTS));
  const expected = whole.map((vector) => {
    const first = vector.slice(0, 5);
    // Of length 1 again where the whole has it: the fixture of MPNet ends in a Normalize.
    return name === 'mpnet-mean' ? first.map((x) => x / length(first)) : first;
  });
  await using(folder, async (tv) => {
    const cut = await tv.embed(TEXTS, { dimensions: 5 });
    expect(cut).toEqual(expected);
    if (name === 'mpnet-mean') for (const vector of cut) expect(length(vector)).toBeCloseTo(1, 6);
    expect(await tv.embed(TEXTS, { dimensions: whole[0]!.length })).toEqual(whole);
    for (const dimensions of [0, 1.5, whole[0]!.length + 1]) {
      await expect(tv.embed(TEXTS, { dimensions })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    }
  });
  setFields({ truncate_dim: 5 }, folder, ABOUT);
  const target = join(temporaryFolder(), 'saved');
  await using(folder, async (tv) => {
    expect((await tv.info()).dimension).toBe(5);
    expect(await tv.embed(TEXTS)).toEqual(expected);
    expect(await tv.embed(TEXTS, { dimensions: whole[0]!.length })).toEqual(whole);
    await tv.save(target);
  });
  expect(readJson(target, ABOUT)).toMatchObject({ truncate_dim: 5 });
  expect(await using(target, (tv) => tv.embed(TEXTS))).toEqual(expected);
});

describe('prompts of models whose folders have none', () => {
  test('are those of their authors', () => {
    const queries = Object.entries(presets).map(([name, { id }]) => [name, withKnownPrompts({}, id).prompts['query']]);
    const asked = Object.fromEntries(queries.filter(([, query]) => query !== undefined)) as Record<string, string>;
    const bge = 'Represent this sentence for searching relevant passages: ';
    expect(asked).toEqual({
      BgeSmallEnV15: bge,
      BgeBaseEnV15: bge,
      BgeLargeEnV15: bge,
      E5SmallV2: 'query: ',
      E5BaseV2: 'query: ',
      E5LargeV2: 'query: ',
      MultilingualE5Small: 'query: ',
      MultilingualE5Base: 'query: ',
      MultilingualE5Large: 'query: ',
      ArcticEmbedLV2: 'query: ',
      ArcticEmbedMV15: bge,
      MxbaiEmbedLargeV1: bge,
      NomicEmbedTextV15: 'search_query: ',
      EmbeddingGemma300M: 'task: search result | query: ',
      Qwen3Embedding06B: 'Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:',
    });
    expect(withKnownPrompts({ query: '', document: '' }, 'intfloat/e5-base-v2')).toEqual({
      prompts: { query: 'query: ', document: 'passage: ' },
      needed: true,
      notes: [],
    });
    const own = { query: 'Query> ' };
    expect(withKnownPrompts(own, 'intfloat/e5-base-v2').prompts).toBe(own);
    expect(withKnownPrompts({}, 'owner/e5-base-v2')).toEqual({ prompts: {}, needed: false, notes: [] });
  });

  test.each<[string, string | undefined, string | undefined, boolean]>([
    ['intfloat/multilingual-e5-large-instruct', INSTRUCT, undefined, true],
    ['BAAI/bge-large-zh-v1.5', '为这个句子生成表示以用于检索相关文章：', undefined, false],
    ['BAAI/bge-small-zh', '为这个句子生成表示以用于检索相关文章：', undefined, false],
    ['BAAI/bge-m3', undefined, undefined, false],
    ['WhereIsAI/UAE-Large-V1', SEARCHING, undefined, true],
    ['mixedbread-ai/deepset-mxbai-embed-de-large-v1', 'query: ', 'passage: ', true],
    ['nomic-ai/nomic-embed-text-v1-unsupervised', 'search_query: ', 'search_document: ', true],
    ['ai-forever/ru-en-RoSBERTa', 'search_query: ', 'search_document: ', true],
    ['AI-Forever/RU-EN-rosberta', 'search_query: ', 'search_document: ', true],
  ])('%s', (id, query, document, needed) => {
    const found = withKnownPrompts({}, id);
    expect(found).toMatchObject({ needed, notes: [] });
    expect([found.prompts['query'], found.prompts['document']]).toEqual([query, document]);
  });
});

describe('a folder of a model that is known', () => {
  const E5 = { query: 'query: ', document: 'passage: ' };
  const moved = (...path: string[]) => {
    const folder = join(temporaryFolder(), ...path);
    cpSync(copyFixture('mpnet-mean'), folder, { recursive: true });
    return folder;
  };

  test.each([
    ['cloned or copied: by its name, and told', ['multilingual-e5-base'], 'multilingual-e5-base', 1],
    [
      "of Hugging Face's cache: by its path",
      ['models--intfloat--multilingual-e5-base', 'snapshots', 'd13f1b27baf31030b7fd040960d60d909913633f'],
      'intfloat/multilingual-e5-base',
      0,
    ],
  ] as const)('%s', async (_, path, id, notes) => {
    await using(moved(...path), async (tv) => {
      const info = await tv.info();
      expect(info).toMatchObject({ id, prompts: E5 });
      expect(info.notes).toHaveLength(notes);
      if (notes > 0)
        expect(info.notes[0]).toMatch(/it is intfloat\/multilingual-e5-base, .*query: 'query: ', document: 'p/);
      expect(await tv.embedQueries(TEXTS)).toEqual(await tv.embed(TEXTS.map((text) => `query: ${text}`)));
    });
  });

  test("of vectune's cache: by what it says of its origin", async () => {
    const folder = moved('intfloat--e5-small-v2');
    writeJson({ id: 'intfloat/e5-small-v2', source: 'hub', revision: 'abc', sha256: {} }, folder, 'vectune.json');
    await using(folder, async (tv) =>
      expect(await tv.info()).toMatchObject({ id: 'intfloat/e5-small-v2', prompts: E5 }),
    );
  });

  test('that vectune saved under another name: its prompts are needed as before', async () => {
    const target = join(temporaryFolder(), 'ours');
    await using(moved('e5-base-v2'), (tv) => tv.save(target));
    expect(readJson(target, ABOUT)).toMatchObject({ prompts: E5 });
    await using(target, async (tv) => {
      expect((await tv.info()).notes).toEqual([]);
      await tv.embedQueries(TEXTS);
      await tv.embed(TEXTS, { prompt: '' });
      expect((await tv.info()).notes).toEqual([]);
      await tv.embed(TEXTS);
      await tv.embed(TEXTS);
      expect((await tv.info()).notes).toEqual([
        expect.stringMatching(/^ours was trained with a prompt before each text .*use embedQueries and embedDocuments/),
      ]);
    });
  });

  test('or of one that has none: who embeds queries as such is told', async () => {
    await using(copyFixture('bert-mean'), async (tv) => {
      await tv.embed(TEXTS);
      await tv.embedDocuments(TEXTS);
      expect((await tv.info()).notes).toEqual([]);
      await tv.embedQueries(TEXTS);
      expect((await tv.info()).notes).toEqual([
        expect.stringMatching(/^Queries were embedded as all texts are, as \S+ has no prompts/),
      ]);
    });
    await using(copyFixture('bert-mean'), async (tv) => {
      await tv.embedQueries(TEXTS, { prompt: 'who: ' });
      expect((await tv.info()).notes).toEqual([]);
    });
  });
});
