import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '../../../lib/system/errors';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { copyFixture, writeJson } from './support/fixture';
import { changeRaw, readParts, renameTensors, writeParts, type Header } from './support/raw-safetensors';
import { load, refuses } from './support/refuses';
import { rejection } from './support/rejection';

/** Weights that are missing, foreign or damaged are a ModelError that names the file and the tensor. */

afterAll(removeFolders);

describe('weights', () => {
  const file = 'model.safetensors';
  const dense = join('2_Dense', file);
  const pickle = (path: string) => (folder: string) =>
    renameSync(join(folder, path), join(folder, path.replace(file, 'pytorch_model.bin')));
  /** The line of Python that a user is told to run, with the folder that it makes. */
  const conversion =
    /open \S+-safetensors:\n {2}python -c ".*SentenceTransformer\('\S+', device='cpu'\)\.save\('\S+-safetensors'\)"$/;
  refuses('bert-dense', [
    {
      title: 'that are nowhere',
      change: (folder) => rmSync(join(folder, file)),
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /is missing: \S+ holds no weights/,
    },
    {
      title: 'of a Dense that are nowhere',
      change: (folder) => rmSync(join(folder, dense)),
      code: 'ERR_MODEL_FOLDER',
      file: dense,
      message: /is missing/,
    },
    {
      title: 'that are a folder',
      change: (folder) => {
        rmSync(join(folder, file));
        mkdirSync(join(folder, file));
      },
      code: 'ERR_MODEL_FOLDER',
      file,
      message: /is missing/,
    },
    {
      title: 'as a pickle only, with the way out',
      change: pickle(file),
      code: 'ERR_PICKLE',
      file: 'pytorch_model.bin',
      message: conversion,
    },
    {
      title: 'of a Dense as a pickle only',
      change: pickle(dense),
      code: 'ERR_PICKLE',
      file: join('2_Dense', 'pytorch_model.bin'),
      message: conversion,
    },
    {
      title: 'in several files, none of which the index names',
      change: (folder) => {
        renameSync(join(folder, file), join(folder, 'model-00001-of-00001.safetensors'));
        writeJson({ weight_map: {} }, folder, 'model.safetensors.index.json');
      },
      code: 'ERR_MODEL_FOLDER',
      file: 'model.safetensors.index.json',
      message: /"weight_map" must name a file of the same folder for each tensor/,
    },
  ]);

  test('the conversion’s command is quoted for the shell and for Python', async () => {
    const folder = join(temporaryFolder(), `it's "$HOME" \`x\``);
    renameSync(copyFixture('bert-mean'), folder);
    pickle(file)(folder);
    const error = await rejection(load(folder), ModelError, 'ERR_PICKLE');
    const command = error.message.split('\n').at(-1)!.trim();
    const program = /^python -c "(.*)"$/.exec(command)![1]!.replaceAll(/\\([\\"$`])/g, '$1');
    const path = folder.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
    expect(program).toBe(
      'from sentence_transformers import SentenceTransformer; ' +
        `SentenceTransformer('${path}', device='cpu').save('${path}-safetensors')`,
    );
    expect(command.slice(11, -1).replaceAll(/\\./g, '')).not.toMatch(/["$`]/);
  });
});

describe('safetensors', () => {
  const file = 'model.safetensors';
  const WORDS = 'embeddings.word_embeddings.weight';
  const code = 'ERR_SAFETENSORS';
  const raw = (change: Parameters<typeof changeRaw>[1]) => (folder: string) => changeRaw(join(folder, file), change);
  /** Changes the header, the data kept. */
  const header = (change: (header: Header, data: Buffer) => unknown) => (folder: string) => {
    const path = join(folder, file);
    const { header: parsed, data } = readParts(path);
    writeParts(path, change(parsed, data) ?? parsed, data);
  };
  const cut = (bytes: (length: number) => number) => (folder: string) =>
    truncateSync(join(folder, file), bytes(readFileSync(join(folder, file)).length));
  const claim = (length: bigint) => (folder: string) => {
    const { header: parsed, data } = readParts(join(folder, file));
    writeParts(join(folder, file), parsed, data, length);
  };
  refuses('bert-dense', [
    {
      title: 'without a tensor',
      change: raw((tensors) => tensors.delete(WORDS)),
      code,
      file,
      message: /the tensor 'embeddings\.word_embeddings\.weight' \[69, 32\] is missing; the file has 38 tensors/,
    },
    {
      title: 'of another shape',
      change: raw((tensors) => {
        const words = tensors.get(WORDS)!;
        tensors.set(WORDS, { ...words, shape: [32, 69] });
      }),
      code,
      file,
      message: /tensor 'embeddings\.word_embeddings\.weight' must have shape \[69, 32\].*found \[32, 69\]/,
    },
    {
      title: 'of a dtype that weights do not have',
      change: raw((tensors) => {
        const words = tensors.get(WORDS)!;
        tensors.set(WORDS, { ...words, dtype: 'I32' });
      }),
      code,
      file,
      message: /tensor 'embeddings\.word_embeddings\.weight' must be F32, F16 or BF16; found I32/,
    },
    {
      title: 'of a dtype that is none',
      change: header((entries) => void (entries[WORDS]!.dtype = 'F31')),
      code,
      file,
      message: /tensor "embeddings\.word_embeddings\.weight" has the unknown dtype "F31"/,
    },
    {
      title: 'with a tensor under two names',
      change: raw((tensors) => tensors.set(`bert.${WORDS}`, tensors.get(WORDS)!)),
      code,
      file,
      message: /are both the parameter 'embeddings\.word_embeddings\.weight'/,
    },
    {
      title: 'of another model',
      change: (folder) => renameTensors(join(folder, file), (name) => `distilbert.transformer.${name}`),
      code,
      file,
      message: /the tensor '.*' \[.*\] is missing/,
    },
    { title: 'that are empty', change: cut(() => 0), code, file, message: /at least 10 bytes.*found 0/ },
    {
      title: 'cut off in the header',
      change: cut(() => 500),
      code,
      file,
      message: /claims \d+ bytes, but only 492 follow/,
    },
    {
      title: 'cut off in the data',
      change: cut((length) => length - 1),
      code,
      file,
      message: /tensor ".*" ends at byte \d+ of the data, but the file holds only \d+ bytes/,
    },
    {
      title: 'with bytes behind the data',
      change: (folder) => writeFileSync(join(folder, file), Buffer.alloc(8), { flag: 'a' }),
      code,
      file,
      message: /its tensors end at byte \d+ of the data, but the file holds \d+ bytes/,
    },
    {
      title: 'whose header is longer than the file',
      change: claim(1_000_000n),
      code,
      file,
      message: /its header claims 1000000 bytes, but only \d+ follow/,
    },
    {
      title: 'whose header is longer than any',
      change: claim(0xffff_ffff_ffff_ffffn),
      code,
      file,
      message: /its header claims 18446744073709551615 bytes, more than/,
    },
    {
      title: 'whose header is not JSON',
      change: header(() => '{"a": '),
      code,
      file,
      message: /its header is not valid JSON/,
    },
    {
      title: 'whose header is nested too deep',
      change: header(() => `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
      code,
      file,
      message: /its header is not valid JSON.*(deep|nest)/,
    },
    {
      title: 'with two tensors at one place',
      change: header((entries) => {
        const [first, second] = [entries['embeddings.LayerNorm.bias']!, entries['embeddings.LayerNorm.weight']!];
        second.data_offsets = first.data_offsets;
      }),
      code,
      file,
      message:
        /tensor "embeddings\.LayerNorm\.\w+" begins at byte 0 of the data, inside tensor "embeddings\.LayerNorm\.\w+"/,
    },
    {
      title: 'with a tensor that begins inside another',
      change: header((entries) => {
        const { data_offsets } = entries['embeddings.LayerNorm.weight']!;
        entries['embeddings.LayerNorm.weight']!.data_offsets = [data_offsets[0] - 4, data_offsets[1] - 4];
      }),
      code,
      file,
      message: /tensor "embeddings\.LayerNorm\.weight" begins at byte 124 of the data, inside tensor/,
    },
    {
      title: 'with a tensor that ends before it begins',
      change: header((entries) => void entries[WORDS]!.data_offsets.reverse()),
      code,
      file,
      message: /tensor "embeddings\.word_embeddings\.weight" ends at byte \d+, before its begin/,
    },
    {
      title: 'with a tensor behind the end of the file',
      change: header((entries, data) => void (entries[WORDS]!.data_offsets = [data.length, data.length + 8832])),
      code,
      file,
      message: /tensor "embeddings\.word_embeddings\.weight" ends at byte \d+ of the data, but the file holds only/,
    },
    {
      title: 'with a shape that overflows',
      change: header((entries) => void (entries[WORDS]!.shape = [2 ** 40, 2 ** 40])),
      code,
      file,
      message: /tensor "embeddings\.word_embeddings\.weight" has a shape whose number of bytes does not fit/,
    },
    {
      title: 'of a Dense, of another shape',
      change: (folder) =>
        changeRaw(join(folder, '2_Dense', file), (tensors) => {
          const { bytes } = tensors.get('linear.weight')!;
          tensors.set('linear.weight', { dtype: 'F32', shape: [32, 24], bytes });
        }),
      code,
      file: join('2_Dense', file),
      message: /tensor 'linear\.weight' must have shape \[24, 32\].*found \[32, 24\]/,
    },
    {
      title: 'of a Dense, without the bias',
      change: (folder) => changeRaw(join(folder, '2_Dense', file), (tensors) => tensors.delete('linear.bias')),
      code,
      file: join('2_Dense', file),
      message: /the tensor 'linear\.bias' \[24\] is missing/,
    },
  ]);
});
