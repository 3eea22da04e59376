import { cosineSimilarity, StateError, TextVectorisation, type ErrorCode } from '../../../lib';
import { fixture, liveObjects } from '../models';
import { finish, rejection, start } from '../runs';
import { expectRefusal, expectUntouched, models, pairs, quick, rows, scores, thrown, type Refusal } from './refusals';

describe('embed', () => {
  test.each<[string, unknown, unknown, Refusal]>([
    ['a text that is no string', ['a', 'b', 3], undefined, { code: 'ERR_TEXT_TYPE', row: 2 }],
    // biome-ignore lint/suspicious/noSparseArray: the hole is what is tested
    ['a hole in the list', [, 'b'], undefined, { code: 'ERR_TEXT_TYPE', row: 0 }],
    ['neither text nor list', 5, undefined, { code: 'ERR_TEXT_TYPE' }],
    ['nothing', undefined, undefined, { code: 'ERR_TEXT_TYPE' }],
    [
      'an unknown option',
      'a',
      { maxLength: 5 },
      { code: 'ERR_UNKNOWN_OPTION', message: /Did you mean "maxInputLength"/ },
    ],
    [
      'a slip of the pen',
      'a',
      { maxinputlenght: 5 },
      { code: 'ERR_UNKNOWN_OPTION', message: /Did you mean "maxInputLength"\?/ },
    ],
    ['maxInputLength that leaves no token', 'a', { maxInputLength: 2 }, { code: 'ERR_INVALID_OPTION' }],
    ['maxInputLength that is no integer', 'a', { maxInputLength: 8.5 }, { code: 'ERR_INVALID_OPTION' }],
    [
      'maxInputLength above the positions',
      'a',
      { maxInputLength: 21 },
      { code: 'ERR_MAX_INPUT_LENGTH', message: /21.*20 tokens/ },
    ],
    ['a signal that is none', 'a', { signal: true }, { code: 'ERR_INVALID_OPTION', message: /signal/ }],
  ])('%s', (_, texts, options, refusal) =>
    expectUntouched((model) => model.embed(texts as never, options as never), refusal),
  );
});

describe('cosineSimilarity', () => {
  test.each<[string, unknown, unknown, ErrorCode, RegExp]>([
    ['vectors of different length', [1, 2], [1, 2, 3], 'ERR_LENGTH_MISMATCH', /2 numbers.*3/],
    ['one of a list of another length', [1, 2], [[1, 2], [1]], 'ERR_LENGTH_MISMATCH', /vector 1/],
    ['an empty vector', [], [1], 'ERR_INVALID_ARGUMENT', /left/],
    ['a text', 'ab', [1, 2], 'ERR_INVALID_ARGUMENT', /left/],
    ['a list on the left', [[1, 2]], [1, 2], 'ERR_INVALID_ARGUMENT', /left/],
    ['nothing on the right', [1, 2], undefined, 'ERR_INVALID_ARGUMENT', /right/],
    ['a list of texts', [1, 2], ['a'], 'ERR_INVALID_ARGUMENT', /vector 0/],
  ])('%s', (_, a, b, code, message) => {
    expectRefusal(
      thrown(() => cosineSimilarity(a as never, b as never)),
      { code, message },
    );
  });
});

describe('after dispose', () => {
  const methods = Object.getOwnPropertyNames(TextVectorisation.prototype).filter((name) => name !== 'constructor');
  const args: Record<string, unknown[]> = {
    load: [],
    info: [],
    embed: ['a'],
    embedDocuments: ['a'],
    embedQueries: ['a'],
    export: ['onnx', 'exported'],
    finetune: [pairs, scores],
    push: ['owner/name', { accessToken: 'hf_x', hubUrl: 'http://127.0.0.1:9' }],
    save: ['saved'],
  };

  test.each([true, false])('every method rejects (loaded before: %j)', async (loaded) => {
    expect(methods.filter((name) => name !== 'dispose').sort()).toEqual(Object.keys(args).sort());
    const model = models.open(fixture('bert-mean'));
    const live = await liveObjects();
    if (loaded) await model.load();
    await model.dispose();
    expect(await liveObjects()).toEqual(live);
    for (const [name, values] of Object.entries(args)) {
      const call = model[name as 'embed'] as (...values: unknown[]) => PromiseLike<unknown>;
      expectRefusal(await rejection(call.apply(model, values)), {
        error: StateError,
        code: 'ERR_DISPOSED',
        message: /disposed/,
      });
    }
    await model.dispose();
    expect(await liveObjects()).toEqual(live);
  });
});

test('a second run while one is on is refused, and the first completes as if alone', async () => {
  const alone = await finish(models.open(fixture('bert-mean')), rows, { epochs: 3 });
  const model = models.open(fixture('bert-mean'));
  const running = start(model, rows, { epochs: 3 });
  const refusal: Refusal = { error: StateError, code: 'ERR_BUSY', message: /Await that run or abort it/ };
  expectRefusal(await rejection(model.finetune(pairs, scores, quick)), refusal);
  await running.first('step');
  expectRefusal(await rejection(model.finetune(rows, quick)), refusal);
  const report = await running.run;
  expect(report.epochs.map((epoch) => epoch.trainingLoss)).toEqual(
    alone.report.epochs.map((epoch) => epoch.trainingLoss),
  );
  await model.finetune(pairs, scores, quick);
});
