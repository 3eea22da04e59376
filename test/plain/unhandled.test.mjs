// A run that nobody awaits fails loudly, and only then.
import assert from 'node:assert/strict';
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
  assert.match(result.stderr, /InvalidArgumentError: There must be one score for each pair/);
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
        'unhandled InvalidArgumentError ERR_TEXT_TYPE',
        'unhandled InvalidArgumentError ERR_INVALID_ARGUMENT',
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
