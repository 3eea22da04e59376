import { cpSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import type { OpenedModel } from '../../../lib/model/types';
import type { Architecture } from '../../../lib/model/architectures';
import { CASES, type CaseName } from '../../parity/cases';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors, vectorsOf } from './support/engine';
import { addNormalize, changeModules, moveEncoder, readModules, toEra04, toNewEra } from './support/eras';
import { copyFixture, fixtureFolder, readJson, setFields, TEXTS, writeJson } from './support/fixture';
import { renameTensors } from './support/raw-safetensors';

/** Every form in which a model comes gives bitwise the same vectors as the 2.x folder of the fixtures. */

afterAll(removeFolders);

const NORMALIZE = 'sentence_transformers.models.Normalize';

const facts = ({ spec, dimension, maxInputLength, positions }: OpenedModel) => {
  return { spec, dimension, maxInputLength, positions };
};

describe.each(CASES)('%s', (name: CaseName) => {
  let plain: OpenedModel;
  let vectors: number[][];
  beforeAll(async () => {
    plain = await openModel(fixtureFolder(name));
    vectors = await vectorsOf(plain);
  });

  async function expectSame(folder: string): Promise<OpenedModel> {
    const opened = await openModel(folder);
    expect(facts(opened)).toEqual(facts(plain));
    expect(await vectorsOf(opened)).toEqual(vectors);
    return opened;
  }

  test('the 2.x layout itself, and what it says', () => {
    expect(plain).toMatchObject({ id: 'model', folder: fixtureFolder(name), maxInputLength: 18, defaultPrompt: '' });
    expect(plain.layout).toMatchObject({ versions: { sentence_transformers: '2.7.0' }, notes: [] });
    expect(vectors).toHaveLength(TEXTS.length);
    expect(new Set(vectors.map(String)).size).toBeGreaterThan(TEXTS.length / 2);
  });

  test('0.4: 0_Transformer, a limit of an old name, the version in config.json, no tokenizer.json', async () => {
    const folder = toEra04(copyFixture(name), plain.architecture as Architecture);
    const opened = await expectSame(folder);
    expect(opened.weightFiles[0]!.path).toBe(join(folder, '0_Transformer', 'model.safetensors'));
  });

  test.each(['5.4', '6.0'] as const)('%s: new class names, new keys, the limit with the tokenizer', async (release) => {
    const opened = await expectSame(toNewEra(copyFixture(name), release));
    expect(opened.layout.versions['sentence_transformers']).toBe(release);
  });

  test('modules in folders of any name', async () => {
    const folder = copyFixture(name);
    moveEncoder(folder, 'the encoder/v2');
    for (const [i, { path }] of readModules(folder).entries()) {
      if (i === 0 || path.endsWith('Normalize')) continue;
      mkdirSync(join(folder, 'heads'), { recursive: true });
      renameSync(join(folder, path), join(folder, 'heads', `module-${i}`));
    }
    // sentence-transformers on Windows writes '\'.
    changeModules(folder, (entry, i) =>
      i === 0 ? entry : { ...entry, path: `heads${i % 2 ? '\\' : '/./'}module-${i}` },
    );
    const opened = await expectSame(folder);
    expect(opened.weightFiles[0]!.path).toBe(join(folder, 'the encoder', 'v2', 'model.safetensors'));
  });

  test('a folder of links to files elsewhere, as in the cache of Hugging Face, itself behind a link', async () => {
    const store = copyFixture(name);
    const folder = temporaryFolder();
    const snapshot = join(folder, 'snapshots', 'commit');
    for (const { path } of readModules(store)) {
      if (path.endsWith('Normalize')) continue;
      mkdirSync(join(snapshot, path), { recursive: true });
      for (const file of ['config.json', 'model.safetensors']) {
        symlinkSync(join(store, path, file), join(snapshot, path, file));
      }
    }
    for (const file of ['modules.json', 'sentence_bert_config.json', 'tokenizer.json', 'tokenizer_config.json']) {
      symlinkSync(join(store, file), join(snapshot, file));
    }
    symlinkSync(snapshot, join(folder, 'link'));
    await expectSame(join(folder, 'link'));
  });

  test('weights under the prefix of a model with a task', async () => {
    const folder = copyFixture(name);
    // transformers' base_model_prefix
    const prefix = plain.architecture
      .replace(/xlm-roberta|camembert/, 'roberta')
      .replace(/modernbert|qwen[23]|gemma3_text/, 'model');
    renameTensors(join(folder, 'model.safetensors'), (tensor) => `${prefix}.${tensor}`);
    await expectSame(folder);
  });

  test('layer norms whose tensors are called gamma and beta', async () => {
    const folder = copyFixture(name);
    if (/^(?:modernbert|qwen[23]|gemma3_text)$/.test(plain.architecture)) return; // it is younger than these names, and has another for its norms
    let renamed = 0;
    renameTensors(join(folder, 'model.safetensors'), (tensor) => {
      const old = tensor.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
      renamed += old === tensor ? 0 : 1;
      return old;
    });
    expect(renamed).toBeGreaterThanOrEqual(2);
    await expectSame(folder);
  });

  test('truncation and padding that are baked into tokenizer.json have no effect', async () => {
    const folder = copyFixture(name);
    const [truncation, padding] = [
      { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 },
      {
        strategy: { Fixed: 16 },
        direction: 'Right',
        pad_to_multiple_of: null,
        pad_id: 0,
        pad_type_id: 0,
        pad_token: 'a',
      },
    ];
    setFields({ truncation, padding }, folder, 'tokenizer.json');
    await expectSame(folder);
  });
});

test.each(['bert-mean', 'distilbert-mean', 'roberta-mean'] as const)(
  '%s as a plain transformers folder, without modules.json: the mean of the tokens, and a note',
  async (name) => {
    const folder = copyFixture(name);
    const plain = join(temporaryFolder(), 'plain');
    mkdirSync(plain);
    for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) {
      cpSync(join(folder, file), join(plain, file));
    }
    const opened = await openModel(plain);
    expect(opened).toMatchObject({ id: 'plain', maxInputLength: 18 });
    expect(opened.spec.head).toEqual([{ kind: 'pooling', modes: ['mean'] }]);
    expect(opened.layout.notes).toEqual([expect.stringMatching(/no modules\.json.*mean/)]);
    expect(await vectorsOf(opened)).toEqual(await folderVectors(fixtureFolder(name)));
  },
);

test('the class names of one module per architecture, before 0.2.6', async () => {
  const folder = copyFixture('distilbert-mean');
  changeModules(folder, (entry, i) => {
    return i === 0 ? { ...entry, type: 'sentence_transformers.models.DistilBERT.DistilBERT' } : entry;
  });
  expect(await folderVectors(folder)).toEqual(await folderVectors(fixtureFolder('distilbert-mean')));
});

test('fields of config.json under their other names', async () => {
  const folder = copyFixture('distilbert-dense');
  const { dim, n_layers, n_heads } = readJson(folder, 'config.json');
  const old = { dim: undefined, n_layers: undefined, n_heads: undefined, architectures: undefined };
  setFields(
    { ...old, hidden_size: dim, num_hidden_layers: n_layers, num_attention_heads: n_heads },
    folder,
    'config.json',
  );
  expect((await openModel(folder)).spec).toEqual((await openModel(fixtureFolder('distilbert-dense'))).spec);
});

describe('Normalize', () => {
  test('with its folder missing, empty, or with a configuration: vectors of length one', async () => {
    const folders = [0, 1, 2].map(() => copyFixture('bert-mean'));
    const paths = folders.map((folder) => addNormalize(folder, NORMALIZE));
    mkdirSync(join(folders[1]!, paths[1]!));
    mkdirSync(join(folders[2]!, paths[2]!));
    writeJson({ module_input_name: 'sentence_embedding' }, folders[2]!, paths[2]!, 'config.json');

    const [missing, empty, configured] = await Promise.all(folders.map(folderVectors));
    expect(empty).toEqual(missing);
    expect(configured).toEqual(missing);
    const raw = await folderVectors(fixtureFolder('bert-mean'));
    raw.forEach((vector, i) => {
      const length = Math.hypot(...vector);
      expect(Math.abs(length - 1)).toBeGreaterThan(0.01);
      vector.forEach((value, k) => expect(missing![i]![k]).toBeCloseTo(value / length, 5));
    });
  });
});

test('do_lower_case of sentence_bert_config.json comes before the tokenizer', async () => {
  const folder = copyFixture('roberta-mean');
  setFields({ do_lower_case: true }, folder, 'sentence_bert_config.json');
  const [plain, lowered] = [await openModel(fixtureFolder('roberta-mean')), await openModel(folder)];
  const ids = async ({ tokeniser }: OpenedModel, text: string) => Array.from((await tokeniser.encode([text], 18)).ids);
  expect(await ids(lowered, 'The Mill')).toEqual(await ids(plain, 'the mill'));
  expect(await ids(plain, 'The Mill')).not.toEqual(await ids(plain, 'the mill'));
});

test('prompts, and the one that goes before every text', async () => {
  const folder = copyFixture('bert-mean');
  const prompts = { query: 'the river ', document: '' };
  setFields(
    { prompts, default_prompt_name: 'query', similarity_fn_name: 'dot' },
    folder,
    'config_sentence_transformers.json',
  );
  const opened = await openModel(folder);
  expect(opened.defaultPrompt).toBe('the river ');
  expect(opened.layout).toMatchObject({ prompts, defaultPromptName: 'query', similarityFunction: 'dot' });
});
