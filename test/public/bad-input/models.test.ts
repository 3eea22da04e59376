import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError, type ErrorCode } from '../../../lib';
import { bits, editJson, fixture, liveObjects, PROBE_TEXTS } from '../models';
import { rejection } from '../runs';
import { expectRefusal, expectUntouched, models, pairs, quick, scores, type Refusal } from './refusals';

describe('models that cannot be used', () => {
  /** The first use of each kind tells it, nothing native is left, and once the folder is mended the object works. */
  async function expectUnusable(folder: string, refusal: Refusal, mend: () => void): Promise<void> {
    const model = models.open(folder);
    const live = await liveObjects();
    const uses = [
      () => model.load(),
      () => model.info(),
      () => model.embed('a'),
      () => model.save(models.path('saved')),
      () => model.finetune(pairs, scores, quick),
    ];
    for (const use of uses) expectRefusal(await rejection(use()), { error: ModelError, ...refusal });
    expect(await liveObjects()).toEqual(live);
    mend();
    const sound = models.open(fixture('bert-dense'));
    expect(bits(await model.embed(PROBE_TEXTS)) === bits(await sound.embed(PROBE_TEXTS))).toBe(true);
  }

  test.each<[string, (folder: string) => string, ErrorCode, RegExp]>([
    [
      'an architecture that is not known',
      (folder) => {
        editJson<{ model_type: string }>(join(folder, 'config.json'), (config) => {
          config.model_type = 'gpt2';
        });
        return 'config.json';
      },
      'ERR_UNKNOWN_ARCHITECTURE',
      /"gpt2".*albert, bert, camembert, distilbert, electra, gemma3_text, gte, modernbert, mpnet, nomic_bert, qwen2, qwen3, roberta, xlm-roberta/,
    ],
    [
      'a module that is not known',
      (folder) => {
        editJson<{ type: string }[]>(join(folder, 'modules.json'), (list) => {
          list[2]!.type = 'sentence_transformers.models.LSTM';
        });
        return 'modules.json';
      },
      'ERR_UNKNOWN_MODULE',
      /LSTM/,
    ],
    [
      'no config.json',
      (folder) => {
        rmSync(join(folder, 'config.json'));
        return 'config.json';
      },
      'ERR_MODEL_FOLDER',
      /missing/,
    ],
    [
      'a config.json that is cut off',
      (folder) => {
        writeFileSync(join(folder, 'config.json'), '{"model_type": "be');
        return 'config.json';
      },
      'ERR_MODEL_FOLDER',
      /JSON/,
    ],
    [
      'no weights',
      (folder) => {
        rmSync(join(folder, 'model.safetensors'));
        return 'model.safetensors';
      },
      'ERR_MODEL_FOLDER',
      /no weights/,
    ],
    [
      'a pickle',
      (folder) => {
        rmSync(join(folder, 'model.safetensors'));
        writeFileSync(join(folder, 'pytorch_model.bin'), '');
        return 'pytorch_model.bin';
      },
      'ERR_PICKLE',
      /safetensors/,
    ],
  ])('%s', async (_, damage, code, message) => {
    const folder = models.copy('bert-dense');
    const file = join(folder, damage(folder));
    await expectUnusable(folder, { code, message, file }, () => models.copy('bert-dense'));
  });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length - 100)],
    ['cut off in the header', (bytes) => bytes.subarray(0, 100)],
    ['empty', () => Buffer.alloc(0)],
    ['of another format', () => Buffer.from('not a safetensors file at all')],
    [
      'with a header length beyond the file',
      (bytes) => {
        const changed = Buffer.from(bytes);
        changed.writeBigUInt64LE(1n << 60n);
        return changed;
      },
    ],
  ])('weights that are %s', async (_, damage) => {
    for (const name of ['model.safetensors', join('2_Dense', 'model.safetensors')]) {
      const folder = models.copy('bert-dense');
      const file = join(folder, name);
      writeFileSync(file, damage(readFileSync(file)));
      const message = new RegExp(file.replaceAll(/[.\\/]/g, '\\$&'));
      await expectUnusable(folder, { code: 'ERR_SAFETENSORS', message }, () => models.copy('bert-dense'));
    }
  });

  test('weights of another model', async () => {
    const folder = models.copy('bert-dense');
    writeFileSync(
      join(folder, 'model.safetensors'),
      readFileSync(join(fixture('distilbert-dense'), 'model.safetensors')),
    );
    await expectUnusable(folder, { code: 'ERR_SAFETENSORS', message: /embeddings/ }, () => models.copy('bert-dense'));
  });

  test('a tokenizer that is damaged', async () => {
    const folder = models.copy('bert-dense');
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": {}}');
    await expectUnusable(folder, { code: 'ERR_TOKENIZER', file: join(folder, 'tokenizer.json') }, () =>
      models.copy('bert-dense'),
    );
  });

  test('a folder that is not there', async () => {
    const folder = models.path('later');
    await expectUnusable(folder, { code: 'ERR_MODEL_FOLDER', file: folder, message: /no folder/ }, () =>
      models.copy('bert-dense', 'later'),
    );
  });

  test('a hub id that is nowhere, offline', async () => {
    const model = models.open('someone/some-model', { offline: true, cacheFolder: models.path('cache') });
    expectRefusal(await rejection(model.load()), {
      error: ModelError,
      code: 'ERR_MODEL_NOT_FOUND',
      message: /someone\/some-model.*offline/s,
    });
  });
});

describe('save', () => {
  test.each([undefined, null, '', 5])('to %j', (folder) =>
    expectUntouched((model) => model.save(folder as never), { code: 'ERR_INVALID_ARGUMENT', message: /folder/ }),
  );

  test('over a file', async () => {
    const file = models.write('notes', 'mine');
    await expectUntouched((model) => model.save(file), { error: ModelError, code: 'ERR_SAVE_TARGET', file });
    await expectUntouched((model) => model.save(join(file, 'model')), {
      error: ModelError,
      code: 'ERR_SAVE_TARGET',
      file: join(file, 'model'),
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('over a folder that is no model folder, and over one that holds more', async () => {
    const folder = models.path('work');
    mkdirSync(folder);
    models.write('work/thesis.txt', 'mine');
    const model = models.copy('bert-mean');
    models.write('copy/thesis.txt', 'mine');
    const all = () => [folder, model].map((place) => readdirSync(place, { recursive: true }).sort());
    const before = all();
    for (const file of [folder, model]) {
      await expectUntouched((it) => it.save(file), {
        error: ModelError,
        code: 'ERR_SAVE_TARGET',
        file,
        message: /thesis\.txt/,
      });
    }
    expect(all()).toEqual(before);
    expect(readdirSync(models.path()).sort()).toEqual(['copy', 'work']);
  });
});
