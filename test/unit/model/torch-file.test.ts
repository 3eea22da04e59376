import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import { readPickle } from '../../../lib/model/folder/pickle';
import { tensorsOfTorchFile } from '../../../lib/model/folder/torch-file';
import { ModelError } from '../../../lib/system/errors';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { folderVectors } from './support/engine';
import { copyFixture, fixtureFolder, writeJson } from './support/fixture';
import { readRaw, writeRaw } from './support/raw-safetensors';
import { rejection } from './support/rejection';

/**
 * Weights that torch.save wrote (generate.py, by torch 2.11), read without executing anything, and weights in several
 * files: the vectors are those of model.safetensors to the bit. What is not a dictionary of tensors is refused by name.
 */

afterAll(removeFolders);

const FILES = join(__dirname, '../../parity/fixtures/torch-files');
const WEIGHTS = 'model.safetensors';
const PICKLE = 'pytorch_model.bin';

/** A copy of the fixture with another file of weights. */
function withFile(from: string, to: string): string {
  const folder = copyFixture('bert-unigram');
  rmSync(join(folder, WEIGHTS));
  copyFileSync(join(FILES, from), join(folder, to));
  return folder;
}

describe('pytorch_model.bin', () => {
  test.each(['zip.bin', 'before-1.6.bin', 'parameters.bin', 'one-storage.bin'])('%s', async (file) => {
    const folder = withFile(file, PICKLE);
    expect((await openModel(folder)).weightFiles).toMatchObject([{ path: join(folder, PICKLE), module: 'encoder' }]);
    expect(await folderVectors(folder)).toEqual(await folderVectors(fixtureFolder('bert-unigram')));
  });

  test('in fp16 and bf16', async () => {
    const vectors = await folderVectors(withFile('half.bin', PICKLE));
    expect(vectors).toEqual(await folderVectors(withFile('half.safetensors', WEIGHTS)));
    expect(vectors).not.toEqual(await folderVectors(fixtureFolder('bert-unigram')));
  });

  test('is not looked at where there is a model.safetensors', async () => {
    const folder = copyFixture('bert-unigram');
    writeFileSync(join(folder, PICKLE), 'cos\nsystem\n');
    expect((await openModel(folder)).weightFiles).toEqual([{ path: join(folder, WEIGHTS), module: 'encoder' }]);
  });

  test.each([
    ['turned.bin', /tensor "turned" does not lie in one piece/],
    ['nested.bin', /what it has under "state_dict" is no tensor/],
    ['date.bin', /it names datetime\.date, which is no part of a file of tensors/],
  ])('%s is refused, with the way out', async (file, message) => {
    const folder = withFile(file, PICKLE);
    const error = await rejection(openModel(folder), ModelError, 'ERR_PICKLE');
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/Convert the model to safetensors once .*\n {2}python -c "/);
    expect(error.file).toBe(join(folder, PICKLE));
  });
});

describe('a pickle', () => {
  const read = (...parts: (string | number)[]) =>
    readPickle(
      Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part])))),
    );

  test.each<[string, (string | number)[], RegExp]>([
    ['that runs a command', ['cos\nsystem\n(X', 2, 0, 0, 0, 'ls', 'tR.'], /names os\.system/],
    ['that runs one of posix’s', ['cposix\nsystem\n.'], /names posix\.system/],
    ['that evaluates', [0x80, 2, 'c__builtin__\neval\n.'], /names __builtin__\.eval/],
    ['that names a part of torch which is no storage', ['ctorch\nload\n.'], /names torch\.load/],
    ['that names a class by protocol 4', [0x8c, 2, 'os', 0x8c, 6, 'system', 0x93, '.'], /names os\.system/],
    ['that imports by a number', [0x80, 2, 0x82, 7, '.'], /operation 0x82 at byte 2/],
    ['that makes an object', [']', 'o.'], /operation 0x6f/],
    ['that makes an object the old way', ['(ios\nsystem\n.'], /operation 0x69/],
    ['that makes a new object', [')', ')', 0x81, '.'], /operation 0x81/],
    ['that calls what it should not', ['ccollections\nOrderedDict\n(K', 1, 'tR.'], /calls collections\.OrderedDict/],
    ['that calls a number', ['K', 1, ')', 'R.'], /calls what is no function/],
    ['that sets attributes of a list', [']', '}', 'b.'], /sets attributes of what is no dictionary/],
    ['that takes from an empty stack', ['.'], /empty stack/],
    ['that takes below a mark', ['K', 1, '(', '.'], /empty stack/],
    ['that recalls nothing', ['h', 5, '.'], /recalls what it did not remember \(5\)/],
    ['that breaks off', [0x80, 2, 'X', 255, 255, 255, 127, 'a'], /breaks off at byte 8/],
    ['of protocol 5', [0x80, 5, 'N.'], /protocol above 4/],
    ['with a storage of another kind', ['(X', 1, 0, 0, 0, 'x', 'tQ.'], /names a storage in a way/],
  ])('%s is refused', (_, parts, message) => {
    expect(() => read(...parts)).toThrow(message);
  });

  test('of numbers and texts of every form is what it says', () => {
    expect(read('I-7\n.').value).toBe(-7);
    expect(read('L123L\n.').value).toBe(123);
    expect(read(0x8a, 1, 0xff, '.').value).toBe(-1);
    expect(read('J', 0xfe, 0xff, 0xff, 0xff, '.').value).toBe(-2);
    expect(read('}(X', 1, 0, 0, 0, 'a', 'K', 1, 'u.').value).toEqual(new Map([['a', 1]]));
    expect(read('(K', 1, 'K', 2, 'l.').value).toEqual([1, 2]);
  });
});

describe.each(['zip.bin', 'before-1.6.bin'])('%s', (file) => {
  const whole = readFileSync(join(FILES, file));

  test('cut off, or with any byte of its names and shapes changed, is read or refused and nothing else', async () => {
    const path = join(temporaryFolder(), PICKLE);
    const outcomes = { read: 0, refused: 0 };
    const attempt = async (bytes: Buffer) => {
      writeFileSync(path, bytes);
      try {
        for (const { begin, shape } of await tensorsOfTorchFile(path)) {
          expect(Number.isSafeInteger(begin) && shape.every(Number.isSafeInteger)).toBe(true);
        }
        ++outcomes.read;
      } catch (error) {
        expect((error as Error).constructor.name).toMatch(/^(?:Error|DownloadError)$/);
        expect((error as Error).message).not.toMatch(/undefined|is not a function|not iterable/);
        ++outcomes.refused;
      }
    };
    const step = 37;
    for (let end = 0; end < whole.length; end += 997) await attempt(whole.subarray(0, end));
    expect(outcomes.refused).toBeGreaterThan(30);
    for (let at = 0; at < 6000; at += step) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1 << ((at / step) % 8);
      await attempt(changed);
    }
    expect(outcomes.read).toBeGreaterThan(0);
  });

  test('whose file is shorter than its tensors is refused by the engine or before', async () => {
    const folder = withFile(file, PICKLE);
    writeFileSync(join(folder, PICKLE), whole.subarray(0, whole.length - 3000));
    await expect(folderVectors(folder)).rejects.toThrow(ModelError);
  });
});

describe('safetensors in several files', () => {
  const INDEX = 'model.safetensors.index.json';
  /** The fixture's weights in two files, every second tensor in the other. */
  function split(folder = copyFixture('bert-unigram')): string {
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const all = [...readRaw(join(folder, WEIGHTS))];
    names.forEach((name, part) => writeRaw(join(folder, name), new Map(all.filter((_, i) => i % 2 === part))));
    rmSync(join(folder, WEIGHTS));
    const weight_map = Object.fromEntries(all.map(([name], i) => [name, names[i % 2]]));
    writeJson({ metadata: { total_size: 1 }, weight_map }, folder, INDEX);
    return folder;
  }

  test('are one model', async () => {
    expect(await folderVectors(split())).toEqual(await folderVectors(fixtureFolder('bert-unigram')));
  });

  test('of which one is missing are told by its name', async () => {
    const folder = split();
    rmSync(join(folder, 'model-00002-of-00002.safetensors'));
    const error = await rejection(openModel(folder), ModelError, 'ERR_MODEL_FOLDER');
    expect(error.message).toMatch(
      /model-00002-of-00002\.safetensors is missing, which model\.safetensors\.index\.json names/,
    );
  });

  test('whose index leads out of the folder, or is none, are refused', async () => {
    for (const weight_map of [{ a: '../model.safetensors' }, { a: 3 }, {}, 'x']) {
      const folder = split();
      writeJson({ weight_map }, folder, INDEX);
      await rejection(openModel(folder), ModelError, 'ERR_MODEL_FOLDER');
    }
  });

  test('that have a tensor twice are refused', async () => {
    const folder = split();
    const [first, second] = [1, 2].map((i) => join(folder, `model-0000${i}-of-00002.safetensors`));
    const [name, tensor] = [...readRaw(first!)][0]!;
    writeRaw(second!, new Map([...readRaw(second!), [name, tensor]]));
    await expect(folderVectors(folder)).rejects.toThrow(/are both the parameter/);
  });
});
