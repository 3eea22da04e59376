import fc from 'fast-check';
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { readFolder } from '../../lib/model/folder/read';
import { tensorsOfTorchFile } from '../../lib/model/folder/torch-file';
import { fromNative, ModelError, VectuneError } from '../../lib/system/errors';
import { readSentencePiece } from '../../lib/tokenisation/sentencepiece';
import { Tokeniser } from '../../lib/tokenisation/tokeniser';
import { copyFixture, fixtureFolder } from '../unit/model/support/fixture';
import { readParts } from '../unit/model/support/raw-safetensors';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { changedJson, damaged, PATIENCE_MS, tries } from './property';

/**
 * Weights that torch wrote, weights in several files, sentencepiece's models and tables of words, as somebody made them or
 * as they broke on the way: refused by name, or opened, and then the engine refuses what they say or has the model.
 */

afterAll(removeFolders);

let engine: EngineAddon;
beforeAll(async () => {
  engine = await loadEngine();
});

/** Opens a folder and makes the model; what was refused, and whether it was. */
async function opened(folder: string): Promise<'created' | 'refused'> {
  try {
    const { spec, weightFiles } = await readFolder(folder, 'hostile');
    engine.disposeModel(await engine.createModel(spec, weightFiles, 0));
    return 'created';
  } catch (error) {
    const known = fromNative(error);
    if (!(known instanceof VectuneError)) throw error;
    expect(['ModelError', 'InvalidArgumentError', 'OutOfMemoryError']).toContain(known.name);
    return 'refused';
  }
}

const TORCH_FILES = join(__dirname, '../parity/fixtures/torch-files');

test.each(['zip.bin', 'before-1.6.bin', 'half.bin'])(
  '%s with any bytes in it',
  async (name) => {
    const folder = copyFixture('bert-unigram');
    rmSync(join(folder, 'model.safetensors'));
    const path = join(folder, 'pytorch_model.bin');
    const whole = readFileSync(join(TORCH_FILES, name));
    // The pickle and the archive's directory are a small part of the file: most changes are made there.
    const head = whole.indexOf('embeddings');
    const place = fc.integer({ min: Math.max(0, head - 200), max: Math.min(whole.length, head + 6000) });
    const inPickle = fc
      .tuple(place, fc.integer({ min: 0, max: 255 }), fc.boolean())
      .map(([at, value, cut]) =>
        cut
          ? Buffer.concat([whole.subarray(0, at), whole.subarray(at + 1)])
          : Buffer.concat([whole.subarray(0, at), Buffer.of(value), whole.subarray(at + 1)]),
      );
    const outcomes = { created: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 3, arbitrary: inPickle }, damaged(whole)), async (bytes) => {
        writeFileSync(path, bytes);
        ++outcomes[await opened(folder)];
        // What is said is a sentence about the file, not a fault of the reader's own.
        await tensorsOfTorchFile(path).catch((error: unknown) => {
          if (error instanceof TypeError || error instanceof ReferenceError) throw error;
        });
      }),
      tries(200),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(5);
  },
  PATIENCE_MS,
);

test(
  'an index of several files with any values in it',
  async () => {
    const folder = copyFixture('bert-unigram');
    const parts = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const names = Object.keys(readParts(join(folder, 'model.safetensors')).header);
    copyFileSync(join(folder, 'model.safetensors'), join(folder, parts[0]!));
    rmSync(join(folder, 'model.safetensors'));
    const index = {
      metadata: { total_size: 1 },
      weight_map: Object.fromEntries(names.map((name) => [name, parts[0]!])),
    };
    const path = join(folder, 'model.safetensors.index.json');
    const outcomes = { created: 0, refused: 0 };
    const json = changedJson(index).map((value) => Buffer.from(JSON.stringify(value)));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 3, arbitrary: json }, damaged(Buffer.from(JSON.stringify(index)))),
        async (bytes) => {
          writeFileSync(path, bytes);
          ++outcomes[await opened(folder)];
        },
      ),
      tries(200),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(5);
    for (const leading of ['../model.safetensors', '/etc/passwd', 'a/b.safetensors', '..', '']) {
      writeFileSync(path, JSON.stringify({ weight_map: { a: leading } }));
      await expect(readFolder(folder, 'hostile')).rejects.toMatchObject({ code: 'ERR_MODEL_FOLDER' });
    }
  },
  PATIENCE_MS,
);

test(
  "sentencepiece's model with any bytes in it",
  async () => {
    const whole = readFileSync(join(fixtureFolder('xlm-roberta-mean'), 'sentencepiece.bpe.model'));
    const outcomes = { created: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(damaged(whole), async (bytes) => {
        try {
          readSentencePiece(bytes, 'hostile');
          const tokeniser = await Tokeniser.open({
            folder: 'hostile',
            files: new Map([['sentencepiece.bpe.model', bytes]]),
            tokenizerClass: 'XLMRobertaTokenizer',
            positions: 64,
            doLowerCase: false,
          });
          const { ids } = await tokeniser.encode(['', 'the old mill', '\ud800', '\u0000\u202e\u0301'], 10);
          for (const id of ids) expect(id >= 0 && id < tokeniser.vocabularySize).toBe(true);
          ++outcomes.created;
        } catch (error) {
          if (!(error instanceof ModelError)) throw error;
          expect(error.code).toBe('ERR_TOKENIZER');
          ++outcomes.refused;
        }
      }),
      tries(300),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(5);
  },
  PATIENCE_MS,
);

test.each(['static-dense', 'static-model2vec'] as const)(
  'the files of %s with anything in them',
  async (name) => {
    const folder = join(temporaryFolder(), name);
    cpSync(fixtureFolder(name), folder, { recursive: true });
    const own = name === 'static-dense' ? '0_StaticEmbedding/' : '';
    const files = [`${own}model.safetensors`, `${own}tokenizer.json`, 'modules.json'];
    const change = fc.constantFrom(...files).chain((file) => {
      const bytes = readFileSync(join(folder, file));
      const whole = file.endsWith('.json')
        ? changedJson(JSON.parse(bytes.toString('utf8'))).map((value) => Buffer.from(JSON.stringify(value)))
        : damaged(bytes);
      return fc.tuple(fc.constant(file), fc.oneof({ weight: 3, arbitrary: whole }, damaged(bytes)));
    });
    const outcomes = { created: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(change, async ([file, bytes]) => {
        const path = join(folder, file);
        const before = readFileSync(path);
        writeFileSync(path, bytes);
        try {
          ++outcomes[await opened(folder)];
        } finally {
          writeFileSync(path, before);
        }
      }),
      tries(250),
    );
    expect(outcomes.refused).toBeGreaterThan(20);
    expect(outcomes.created).toBeGreaterThan(20);
  },
  PATIENCE_MS,
);
