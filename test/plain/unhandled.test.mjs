// A run that nobody awaits fails loudly, and only then.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MODEL, pairs, runNode, scores } from './support.mjs';

const program = (body) => `
  import { TextVectorisation } from ${JSON.stringify(new URL('../../dist/index.mjs', import.meta.url).href)};
  const pairs = ${JSON.stringify(pairs)};
  const scores = ${JSON.stringify(scores)};
  const options = { epochs: 1, precision: 'fp32' };
  const model = new TextVectorisation(${JSON.stringify(MODEL)});
  let told = 0;
  process.on('unhandledRejection', (error) => { ++told; console.log('unhandled', error.name, error.code); });
  process.on('exit', () => console.log('told', told));
  ${body}`;
const expected = (stdout) => ({ code: 0, signal: null, stdout, stderr: '' });

test('a run that fails and is not awaited reaches unhandledRejection', async () => {
  assert.deepEqual(
    await runNode(program('model.finetune(pairs, scores.slice(1), options);')),
    expected('unhandled InvalidArgumentError ERR_LENGTH_MISMATCH\ntold 1\n'),
  );
});

test('one that fails late and is not awaited does so too', async () => {
  assert.deepEqual(
    await runNode(
      program(`
    const onProgress = ({ type }) => { if (type === 'step') run.abort(); };
    const run = model.finetune(pairs, scores, { ...options, onProgress });`),
    ),
    expected('unhandled AbortError ERR_ABORTED\ntold 1\n'),
  );
});

test('without a listener the process ends with the error on standard error', async () => {
  const result = await runNode(
    program(`process.removeAllListeners('unhandledRejection');
    model.finetune(pairs, scores.slice(1), options);`),
  );
  assert.equal(result.code, 1);
  assert.match(
    result.stderr,
    /InvalidArgumentError: A run of finetune that nobody awaits has failed: There must be one score for each pair.* Put await before finetune/,
  );
  assert.match(result.stderr, /has failed.*\n +at TextVectorisation\.finetune /); // and below it, where that was called
  assert.match(result.stderr, /\[cause\]: InvalidArgumentError: There must be/);
});

test('a run that succeeds and is not awaited keeps the process until it is done', async () => {
  assert.deepEqual(
    await runNode(
      program(`
    const onProgress = ({ type }) => { if (type === 'done') console.log('done'); };
    model.finetune(pairs, scores, { ...options, onProgress });`),
    ),
    expected('done\ntold 0\n'),
  );
});

test('a failure that is awaited, caught or passed on is told once and nowhere else', async () => {
  assert.deepEqual(
    await runNode(
      program(`
    const failing = () => model.finetune(pairs, scores.slice(1), options);
    try { await failing(); } catch (error) { console.log('awaited', error.code); }
    await failing().catch((error) => console.log('caught', error.code));
    await failing().then(undefined, (error) => console.log('then', error.code));
    await failing().finally(() => console.log('finally')).catch((error) => console.log('passed on', error.code));
    await Promise.allSettled([failing(), model.embed(5)]);
    const stopped = model.finetune(pairs, scores, options);
    stopped.abort();
    await stopped.catch((error) => console.log('stopped', error.code));
    await model.dispose();`),
    ),
    expected(
      [
        'awaited ERR_LENGTH_MISMATCH',
        'caught ERR_LENGTH_MISMATCH',
        'then ERR_LENGTH_MISMATCH',
        'finally',
        'passed on ERR_LENGTH_MISMATCH',
        'stopped ERR_ABORTED',
        'told 0',
        '',
      ].join('\n'),
    ),
  );
});

test('methods that fail and are not awaited are unhandled too; dispose hides nothing', async () => {
  assert.deepEqual(
    await runNode(
      program(`
    model.embed(5);
    model.save('');
    const run = model.finetune(pairs, scores, options);
    await model.dispose();`),
    ),
    expected(
      [
        'unhandled InvalidArgumentError ERR_INVALID_ARGUMENT',
        'unhandled InvalidArgumentError ERR_TEXT_TYPE',
        'unhandled StateError ERR_DISPOSED',
        'told 3',
        '',
      ].join('\n'),
    ),
  );
});

test('a model that is neither disposed nor used any more does not keep the process', async () => {
  assert.deepEqual(
    await runNode(program(`await model.embed('a'); console.log('embedded');`)),
    expected('embedded\ntold 0\n'),
  );
});

test('a forgotten await: save refuses by name, and the program ends with that', async () => {
  const result = await runNode(
    program(`process.removeAllListeners('unhandledRejection');
    model.finetune(pairs, scores, options);
    await model.save(${JSON.stringify(join(tmpdir(), 'vectune-never-saved'))});
    await model.dispose();`),
  );
  assert.equal(result.code, 1);
  assert.match(result.stderr, /StateError: save was called while a run of finetune is on .* Put await before finetune/);
  assert.equal(existsSync(join(tmpdir(), 'vectune-never-saved')), false);
});

test('a forgotten await before dispose: the run is stopped, all is freed, and its failure says so in time', async () => {
  assert.deepEqual(
    await runNode(
      program(`
    model.finetune(pairs, scores, options);
    await model.dispose();
    await model.embed('a').catch((error) => console.log(error.code));
    process.exit(0);`),
    ),
    expected('unhandled StateError ERR_DISPOSED\nERR_DISPOSED\ntold 1\n'),
  );
  const { code, stderr } = await runNode(
    program(`process.removeAllListeners('unhandledRejection');
    model.finetune(pairs, scores, options);
    await model.dispose();
    process.exit(0);`),
  );
  assert.equal(code, 1);
  assert.match(
    stderr,
    /dispose was called while finetune was at work, and stopped it\..* Put await before finetune\(…\)/,
  );
});

test('with a run that someone awaits, save and dispose do as they always did', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'vectune-awaited-')), 'saved');
  assert.deepEqual(
    await runNode(
      program(`
    const run = model.finetune(pairs, scores, { ...options, epochs: 100000, earlyStopping: false });
    run.catch((error) => console.log(error.code, error.message));
    await model.save(${JSON.stringify(folder)});
    await model.dispose();`),
    ),
    expected(
      'ERR_DISPOSED dispose was called while finetune was at work, and stopped it. Await finetune(…) before dispose().\ntold 0\n',
    ),
  );
  assert.ok(existsSync(join(folder, 'modules.json')));
});

test('embed, info and save that dispose cuts off say so and name await', async () => {
  const { stdout } = await runNode(
    program(`
    const calls = { embed: model.embed(Array(3000).fill('the old mill by the river')), info: model.info(), load: model.load() };
    for (const [name, call] of Object.entries(calls)) call.catch((error) => console.log(name, error.code, error.message));
    await model.dispose();
    await new Promise((resolve) => setTimeout(resolve, 100));`),
  );
  for (const name of ['embed', 'info', 'load'])
    assert.ok(
      stdout.includes(
        `${name} ERR_DISPOSED dispose was called while ${name} was at work, and stopped it. Await ${name}(…) before dispose().`,
      ),
      stdout,
    );
});

test('a run is shown as pending, paused, done or failed', async () => {
  const { stdout } = await runNode(
    program(`
    let paused;
    const standing = new Promise((resolve) => { paused = resolve; });
    const onProgress = ({ type }) => {
      if (type === 'epoch-start') run.pause();
      if (type === 'paused') paused();
    };
    const run = model.finetune(pairs, scores, { ...options, onProgress });
    const { inspect } = await import('node:util');
    console.log(inspect(run), run.status);
    await standing;
    console.log(inspect(run), run.status);
    run.resume();
    await run;
    console.log(inspect(run).split('\\n')[0], run.status);
    const failed = model.finetune(pairs, scores.slice(1), options);
    await failed.catch(() => undefined);
    console.log(inspect(failed).split('\\n')[0], failed.status);
    console.log(inspect({ failed }).split('\\n')[0]);`),
  );
  assert.match(
    stdout,
    /^FinetuneRun \{ <pending> \} pending\nFinetuneRun \{ <pending, paused> \} pending\nFinetuneRun \{ <done> \{ done\nFinetuneRun \{ <failed> InvalidArgumentError: There must be .*/,
  );
});

test('await using disposes of a model, and aborts a run', { skip: Symbol.asyncDispose === undefined }, async () => {
  assert.deepEqual(
    await runNode(
      program(`
    const run = model.finetune(pairs, scores, { ...options, epochs: 100000, earlyStopping: false });
    await run[Symbol.asyncDispose]();
    console.log(run.status);
    await model[Symbol.asyncDispose]();
    await model.embed('a').catch((error) => console.log(error.code));`),
    ),
    expected('failed\nERR_DISPOSED\ntold 0\n'),
  );
});
