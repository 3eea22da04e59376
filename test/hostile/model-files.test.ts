import fc from 'fast-check';
import { mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fromNative, InvalidArgumentError, ModelError, VectuneError } from '../../lib/system/errors';
import { openModel } from '../../lib/model/open';
import { readFolder } from '../../lib/model/folder/read';
import { isModelFile } from '../../lib/model/fetch/hub';
import { loadEngine } from '../../lib/engine/load';
import { Tokeniser } from '../../lib/tokenisation/tokeniser';
import type { EngineAddon } from '../../lib/engine/addon';
import { ARCHITECTURES, type Architecture } from '../../lib/model/architectures';
import { copyFixture, fixtureFolder } from '../unit/model/support/fixture';
import { readParts, writeParts } from '../unit/model/support/raw-safetensors';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { changedJson, damaged, PATIENCE_MS, tries } from './property';

/**
 * Model folders that somebody made or that broke on the way: refused with a ModelError, or opened, and then the engine
 * refuses what the folder says or has the model.
 */

afterAll(removeFolders);

const CONFIGURATION = [
  'modules.json',
  'config.json',
  'config_sentence_transformers.json',
  'sentence_bert_config.json',
  '1_Pooling/config.json',
  '2_Dense/config.json',
];

/** The file's bytes: other JSON of much the same form, or the same text damaged. */
function changedFile(path: string): fc.Arbitrary<Buffer> {
  const bytes = readFileSync(path);
  if (!path.endsWith('.json')) return damaged(bytes);
  return fc.oneof(
    {
      weight: 4,
      arbitrary: changedJson(JSON.parse(bytes.toString('utf8'))).map((value) => Buffer.from(JSON.stringify(value))),
    },
    { weight: 1, arbitrary: damaged(bytes) },
  );
}

let engine: EngineAddon;
beforeAll(async () => {
  engine = await loadEngine();
});

test.each(['bert-dense', 'distilbert-dense', 'roberta-dense'] as const)(
  'the configuration of %s with any values in it',
  async (name) => {
    const folder = copyFixture(name);
    const files = name === 'roberta-dense' ? [...CONFIGURATION, '3_Dense/config.json'] : CONFIGURATION;
    const outcomes = { refused: 0, opened: 0, created: 0 };
    const change = fc
      .constantFrom(...files)
      .chain((file) => fc.tuple(fc.constant(file), changedFile(join(fixtureFolder(name), file))));
    await fc.assert(
      fc.asyncProperty(change, async ([file, bytes]) => {
        const path = join(folder, file);
        const before = readFileSync(path);
        writeFileSync(path, bytes);
        try {
          const { spec, weightFiles } = await readFolder(folder, 'hostile');
          ++outcomes.opened;
          engine.disposeModel(await engine.createModel(spec, weightFiles, 0));
          ++outcomes.created;
        } catch (error) {
          const known = fromNative(error);
          if (!(known instanceof VectuneError)) throw error;
          // What the folder says is the folder's fault, unless it is too large for the machine.
          expect(['ModelError', 'InvalidArgumentError', 'OutOfMemoryError']).toContain(known.name);
          ++outcomes.refused;
        } finally {
          writeFileSync(path, before);
        }
      }),
      tries(250),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(20);
    expect(engine.liveObjects()).toMatchObject({ datasets: 0, trainers: 0 });
  },
  PATIENCE_MS,
);

const TEXTS = ['', 'the old mill', '\ud800', 'a'.repeat(300), '\u0000\u202e\u0301'];

test.each<[string, Architecture]>([
  ['bert-dense', 'bert'],
  ['roberta-dense', 'roberta'],
])(
  'the tokenizer of %s with any values in its files',
  async (name, architecture) => {
    const folder = fixtureFolder(name as 'bert-dense');
    const vocabulary = architecture === 'bert' ? ['vocab.txt'] : ['vocab.json', 'merges.txt'];
    const names = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', ...vocabulary];
    const whole = new Map<string, Buffer>(names.map((file) => [file, readFileSync(join(folder, file))]));
    const outcomes = { refused: 0, opened: 0 };
    const change = fc
      .constantFrom(...names)
      .chain((file) => fc.tuple(fc.constant(file), changedFile(join(folder, file)), fc.boolean()));
    await fc.assert(
      fc.asyncProperty(change, async ([file, bytes, vocabularyOnly]) => {
        const files = new Map(whole).set(file, bytes);
        if (vocabularyOnly && file !== 'tokenizer.json') files.delete('tokenizer.json');
        try {
          const tokeniser = await Tokeniser.open({
            folder: 'hostile',
            files,
            tokenizerClass: ARCHITECTURES[architecture].tokenizerClass,
            positions: 64,
            doLowerCase: false,
          });
          ++outcomes.opened;
          const { ids, offsets } = await tokeniser.encode(TEXTS, 10);
          expect(offsets).toHaveLength(TEXTS.length + 1);
          expect([offsets[0], offsets.at(-1)]).toEqual([0, ids.length]);
          for (let i = 0; i < TEXTS.length; ++i) {
            expect(offsets[i + 1]! - offsets[i]!).toBeGreaterThanOrEqual(0);
            expect(offsets[i + 1]! - offsets[i]!).toBeLessThanOrEqual(10);
          }
          for (const id of ids) expect(id >= 0 && id < tokeniser.vocabularySize).toBe(true);
        } catch (error) {
          if (!(error instanceof ModelError) && !(error instanceof InvalidArgumentError)) throw error;
          expect(['ERR_TOKENIZER', 'ERR_MAX_INPUT_LENGTH']).toContain(error.code);
          ++outcomes.refused;
        }
      }),
      tries(400),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.opened).toBeGreaterThan(20);
  },
  PATIENCE_MS,
);

/** What these tests change in one. */
interface TokenizerFile {
  model: { unk_token: string };
  post_processor: { sep: [string, number] };
  added_tokens: unknown[];
}

describe('a tokenizer.json', () => {
  const folder = fixtureFolder('bert-dense');
  const opened = (change: (json: TokenizerFile) => void): Promise<Tokeniser> => {
    const json = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as TokenizerFile;
    change(json);
    // A class under which the file is run as it is.
    const config = Buffer.from('{"tokenizer_class": "PreTrainedTokenizerFast"}');
    const files = new Map([
      ['tokenizer.json', Buffer.from(JSON.stringify(json))],
      ['tokenizer_config.json', config],
    ]);
    return Tokeniser.open({
      folder: 'hostile',
      files,
      tokenizerClass: 'BertTokenizer',
      positions: 64,
      doLowerCase: false,
    });
  };

  test('without the token for what it does not know: told by the first text that needs it', async () => {
    const tokeniser = await opened((json) => (json.model.unk_token = 'nowhere'));
    await expect(tokeniser.encode(['\u4e00'], 10)).rejects.toMatchObject({
      name: 'ModelError',
      code: 'ERR_TOKENIZER',
      message: expect.stringContaining('cannot tokenise a text'),
    });
  });

  test('whose special tokens have ids of their own: these count', async () => {
    const tokeniser = await opened((json) => (json.post_processor.sep[1] = 70_000));
    expect(tokeniser.vocabularySize).toBe(70_001);
  });

  test('whose added tokens come after the vocabulary: these count, whatever id the file gives them', async () => {
    const before = (await opened(() => undefined)).vocabularySize;
    const added = {
      id: 5,
      content: '[EXTRA]',
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    };
    const tokeniser = await opened((json) => json.added_tokens.push(added));
    expect(tokeniser.vocabularySize).toBe(before + 1);
    expect([...(await tokeniser.encode(['[EXTRA]'], 10)).ids]).toContain(before);
  });
});

test("any path of a hub's listing that counts as a model's file lies in the model's folder", () => {
  const part = fc.oneof(
    fc.constantFrom('..', '.', '', '1_Pooling', '2_Dense', 'onnx', '\\', 'C:'),
    fc.string({ unit: 'binary' }),
  );
  const last = fc.oneof(fc.constantFrom('config.json', 'modules.json', 'vocab.txt', 'sentence_bert_config.json'), part);
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(part, { maxLength: 3 }), last, (folders, file) => {
      const path = [...folders, file].join('/');
      if (!isModelFile(path)) return;
      ++accepted;
      expect(path).toMatch(/^(?:\d+_\w+\/)?[\w.-]+$/);
      expect(path.split('/')).not.toContain('..');
    }),
    tries(5000),
  );
  expect(accepted).toBeGreaterThan(10);
});

/** Bytes between what the machine has left and what it has: a system that promises memory grants them, and then ends us. */
function moreThanIsLeft(): number {
  const left = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1]) * 1024;
  return Math.floor((left + totalmem()) / 2);
}

test('a weights file of few bytes on disk that says it has more than there is memory', async () => {
  const folder = copyFixture('bert-dense');
  const { spec, weightFiles } = await readFolder(folder, 'hostile');
  const file = join(folder, '2_Dense', 'model.safetensors');
  const { header, metadata, data } = readParts(file);
  const end = data.length + moreThanIsLeft();
  const more = { dtype: 'U8', shape: [end - data.length], data_offsets: [data.length, end] as [number, number] };
  writeParts(file, { __metadata__: metadata, ...header, more }, data);
  truncateSync(file, statSync(file).size + end - data.length);
  await expect(engine.createModel(spec, weightFiles, 0)).rejects.toMatchObject({
    code: 'ERR_OUT_OF_MEMORY',
    message: expect.stringContaining("its tensors that are not the model's take"),
  });
});

test('an adapter of few bytes on disk whose rank takes more than there is memory', async () => {
  const folder = temporaryFolder();
  const base = copyFixture('bert-mean');
  const fields = { peft_type: 'LORA', base_model_name_or_path: base, r: 2, lora_alpha: 3, bias: 'none' };
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify(fields));
  const file = join(folder, 'adapter_model.safetensors');
  const rank = Math.ceil(moreThanIsLeft() / 4 / 64);
  const bytes = rank * 32 * 4;
  const module = 'base_model.model.encoder.layer.0.attention.self.query';
  const header: Parameters<typeof writeParts>[1] = {
    [`${module}.lora_A.weight`]: { dtype: 'F32', shape: [rank, 32], data_offsets: [0, bytes] },
    [`${module}.lora_B.weight`]: { dtype: 'F32', shape: [32, rank], data_offsets: [bytes, 2 * bytes] },
  };
  writeParts(file, header, Buffer.alloc(0));
  truncateSync(file, statSync(file).size + 2 * bytes);
  const { spec, weightFiles } = await openModel(folder);
  await expect(engine.createModel(spec, weightFiles, 0)).rejects.toMatchObject({
    code: 'ERR_OUT_OF_MEMORY',
    message: expect.stringContaining("the matrices for 'encoder.layer.0.attention.self.query.weight' take"),
  });
});

test('a configuration of more parameters than there is memory', async () => {
  const folder = copyFixture('bert-dense');
  const { spec, weightFiles } = await readFolder(folder, 'hostile');
  const vocabSize = Math.ceil(moreThanIsLeft() / 4 / spec.encoder.hiddenSize);
  const tooLarge = { ...spec, encoder: { ...spec.encoder, vocabSize } };
  for (const files of [weightFiles, []]) {
    await expect(engine.createModel(tooLarge, files, 0)).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
  }
});

/** The engine's own reader, through the addon: bytes of a whole file of weights with a few of them changed. */
test(
  'a weights file that was damaged',
  async () => {
    const folder = copyFixture('bert-dense');
    const opened = await readFolder(folder, 'hostile');
    const file = join(folder, '2_Dense', 'model.safetensors');
    const whole = readFileSync(file);
    const outcomes = { refused: 0, created: 0 };
    await fc.assert(
      fc.asyncProperty(damaged(whole), async (bytes) => {
        // A new file each time: what is mapped must not change under the engine.
        rmSync(file);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, bytes);
        try {
          engine.disposeModel(await engine.createModel(opened.spec, opened.weightFiles, 0));
          ++outcomes.created;
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SAFETENSORS' });
          ++outcomes.refused;
        }
      }),
      tries(400),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(20);
  },
  PATIENCE_MS,
);
