// Each thing once, where instanceof tells the truth.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as vectune from '../../dist/index.mjs';
import { bits, inFolder, MODEL, pairs, rejection, ROOT, runNode, scores } from './support.mjs';

const { TextVectorisation, VectuneError } = vectune;
const quick = { epochs: 1, precision: 'fp32' };

test('load, embed, finetune, save, open again, dispose', () =>
  inFolder(async (folder) => {
    const model = new TextVectorisation(MODEL);
    assert.equal(await model.load(), undefined);
    const info = await model.info();
    assert.equal(info.architecture, 'bert');

    const one = await model.embed('the old mill');
    assert.ok(one instanceof Float32Array);
    assert.equal(one.length, info.dimension);
    const list = await model.embed(['the old mill', 'rain', '']);
    assert.ok(Array.isArray(list) && list.every((vector) => vector instanceof Float32Array));
    assert.equal(list.length, 3);
    assert.deepEqual(await model.embed([]), []);
    assert.equal(typeof vectune.cosineSimilarity(list[0], list[1]), 'number');
    assert.ok(Math.abs(vectune.cosineSimilarity(one, list)[0] - 1) < 1e-6);

    const kinds = new Set();
    const run = model.finetune(pairs, scores, {
      ...quick,
      epochs: 2,
      learningRate: 1e-3,
      validationSplit: 0,
      onProgress: ({ type }) => kinds.add(type),
    });
    assert.equal(typeof run.then, 'function');
    const report = await run;
    assert.equal(report.epochs.length, 2);
    kinds.delete('collapse'); // four rows on a model of random weights may make all texts alike
    assert.deepEqual([...kinds].sort(), ['data', 'device', 'done', 'epoch-start', 'finder', 'step', 'summary']);

    const trained = bits(await model.embed(['the old mill', 'rain', '']));
    assert.notEqual(trained, bits(list));
    const saved = await model.save(join(folder, 'saved'));
    const again = new TextVectorisation(saved);
    assert.equal(bits(await again.embed(['the old mill', 'rain', ''])), trained);
    await Promise.all([model.dispose(), again.dispose()]);
    await model.dispose();
  }));

test('CSV, TSV and JSON Lines files give the same run as lists', () =>
  inFolder(async (folder) => {
    const rows = pairs.map(([text1, text2], i) => ({ text1, text2, score: scores[i] }));
    const file = (name, text) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const losses = async (...args) => {
      const model = new TextVectorisation(MODEL);
      const report = await model.finetune(...args, quick);
      await model.dispose();
      return report.epochs.map(({ trainingLoss }) => trainingLoss);
    };
    const expected = await losses(pairs, scores);
    const table = (delimiter) =>
      [['text1', 'text2', 'score'], ...rows.map(Object.values)].map((row) => row.join(delimiter)).join('\n');
    assert.deepEqual(await losses(file('rows.csv', table(','))), expected);
    assert.deepEqual(await losses(file('rows.tsv', table('\t'))), expected);
    assert.deepEqual(await losses(file('rows.jsonl', rows.map((row) => JSON.stringify(row)).join('\n'))), expected);
  }));

// In plain Node only: reading Parquet imports an ES module, which jest's contexts do not.
test('a Parquet file that is none is refused, and the model works on', () =>
  inFolder(async (folder) => {
    const model = new TextVectorisation(MODEL);
    const before = bits(await model.embed(['a']));
    for (const content of ['', 'PAR1', 'not a Parquet file at all, but long enough to be one', Buffer.alloc(4096)]) {
      const file = join(folder, 'rows.parquet');
      writeFileSync(file, content);
      const error = await rejection(model.finetune(file, quick));
      assert.ok(error instanceof vectune.InvalidArgumentError, String(error));
      assert.equal(error.code, 'ERR_DATA_FILE');
      assert.equal(error.file, file);
      assert.ok(error.message.includes(file));
    }
    assert.equal(bits(await model.embed(['a'])), before);
    await model.dispose();
  }));

/** An error is of its class, of VectuneError and of Error; its name is the class's, its code one that it may have. */
function assertIs(error, type, code) {
  assert.ok(error instanceof type, `${error} is no ${type.name}`);
  assert.ok(error instanceof VectuneError);
  assert.ok(error instanceof Error);
  assert.equal(error.name, type.name);
  assert.equal(error.code, code);
  assert.equal(typeof error.message, 'string');
  assert.ok(error.stack.includes(error.message));
  assert.ok(String(error).startsWith(`${type.name}: `));
}

test('errors are of their classes', () =>
  inFolder(async (folder) => {
    const model = new TextVectorisation(MODEL);
    assertIs(await rejection(model.embed([5])), vectune.InvalidArgumentError, 'ERR_TEXT_TYPE');
    assert.throws(
      () => new TextVectorisation(''),
      (error) => {
        assertIs(error, vectune.InvalidArgumentError, 'ERR_INVALID_ARGUMENT');
        return true;
      },
    );
    assertIs(
      await rejection(model.finetune(pairs, scores.slice(1))),
      vectune.InvalidArgumentError,
      'ERR_LENGTH_MISMATCH',
    );
    assertIs(
      await rejection(new TextVectorisation(join(folder, 'none')).load()),
      vectune.ModelError,
      'ERR_MODEL_FOLDER',
    );
    mkdirSync(join(folder, 'work'));
    writeFileSync(join(folder, 'work', 'notes'), 'mine');
    assertIs(await rejection(model.save(join(folder, 'work'))), vectune.ModelError, 'ERR_SAVE_TARGET');

    // Those that the engine rejects with get their class here.
    const memory = await rejection(model.finetune(pairs, scores, { ...quick, memoryLimit: 1 }));
    assertIs(memory, vectune.OutOfMemoryError, 'ERR_OUT_OF_MEMORY');
    assert.ok(memory.cause instanceof Error);

    const stopped = model.finetune(pairs, scores, quick);
    stopped.abort('enough');
    const aborted = await rejection(stopped);
    assertIs(aborted, vectune.AbortError, 'ERR_ABORTED');
    assert.equal(aborted.name, 'AbortError');
    assert.equal(aborted.cause, 'enough');

    const controller = new AbortController();
    const run = model.finetune(pairs, scores, {
      ...quick,
      signal: controller.signal,
      onProgress: ({ type }) => {
        if (type === 'step') controller.abort();
      },
    });
    assert.equal((await rejection(run)).cause, controller.signal.reason);

    const first = model.finetune(pairs, scores, quick);
    assertIs(await rejection(model.finetune(pairs, scores, quick)), vectune.StateError, 'ERR_BUSY');
    await first;
    await model.dispose();
    assertIs(await rejection(model.embed('a')), vectune.StateError, 'ERR_DISPOSED');
  }));

test('a second LibTorch is refused, and the first works on', () =>
  inFolder(async (folder) => {
    const model = new TextVectorisation(MODEL);
    await model.load();
    const other = new TextVectorisation(MODEL, { libtorch: folder });
    const error = await rejection(other.load());
    assertIs(error, vectune.LibTorchError, 'ERR_LIBTORCH_CONFLICT');
    assert.ok(error.message.includes(folder));
    assert.equal((await model.embed(['a'])).length, 1);
    await model.dispose();
  }));

test('the command says its version', async () => {
  const { code, stdout } = await runNode(`
    process.argv = [process.execPath, 'vectune', '--version'];
    await import(${JSON.stringify(join(ROOT, 'dist', 'cli', 'main.js'))});`);
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  assert.deepEqual({ code, stdout }, { code: 0, stdout: `${version}\n` });
});
