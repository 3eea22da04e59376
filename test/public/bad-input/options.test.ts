import { TextVectorisation, type VectuneError } from '../../../lib';
import { fixture } from '../models';
import { rejection } from '../runs';
import { expectRefusal, expectUntouched, models, pairs, scores, thrown } from './refusals';

describe('options of finetune', () => {
  const wrong: Record<string, readonly unknown[]> = {
    maxInputLength: [0, 2, 1.5, '64', null, NaN],
    validationSplit: [-0.1, 1, '0.1', NaN, null],
    groupedSplit: [1, 'yes', null],
    loss: ['cosine', 'CosineSimilarityLoss', 1, [], { name: 'cosent', scale: 0 }, { scale: 1 }],
    multiDatasetSampler: ['round_robin', 'both', 1, null],
    onBadRow: ['ignore', true, null],
    split: [1, '', 'train'],
    epochs: [0, -1, 1.5, '20', Infinity, null],
    batchSize: [0, 1.5, 'Auto', '8', null],
    effectiveBatchSize: [0, 1.5, '8', null],
    earlyStopping: ['yes', 1, null, { patience: 0 }, { patience: 1.5 }, { minDelta: -1 }, { minDelta: '0' }],
    learningRate: [0, -1e-5, '2e-5', NaN, Infinity, null],
    schedule: ['Linear', 'step', 1, null],
    sampler: ['batch', 'no_duplicates', 1, null],
    recipe: ['best', 1, null],
    measure: ['f1', 1, null],
    merge: [0, 1.1, '1', [], [1, -0.1], [NaN], null],
    folds: [0, 1.5, 101, '5', true, null],
    search: [1, true, null, {}, { minutes: 0 }, { minutes: '5' }],
    keep: ['', 1, null, {}, { data: 'rows.csv', margin: -0.1 }, { data: 1 }],
    prompts: [1, null, true, [], ['query: '], {}, { anchor: 1 }],
    teacher: [1, null, '', true],
    teacherFile: [1, '', null, {}],
    warmupSteps: [-1, 0.5, '1', null],
    warmupRatio: [-0.1, 1.1, '0.1', null],
    optimizer: [
      'adamw',
      1,
      null,
      { beta1: 1 },
      { beta2: -0.1 },
      { eps: -1 },
      { weightDecay: '0' },
      { biasCorrection: 1 },
    ],
    maxGradientNorm: [0, -1, '1', Infinity, null],
    freeze: ['embeddings', [''], [1], {}, null],
    shuffle: [1, 'yes', null],
    dropout: [-0.1, 1, '0.1', null],
    precision: ['fp8', 'int8', 'FP32', 32, null],
    seed: [-1, 1.5, 2 ** 32, '1', null],
    memoryLimit: [0, -1, 1.5, '1GB', null],
    device: ['cuda:', 'cuda:x', 'CPU', 'gpu', 'cpu-tensors', 0, null],
    memoryFraction: [0, -0.5, 1.5, '0.5', NaN, null],
    allowConstantScores: [1, 'yes', null],
    file: [{ format: 'csv' }],
    checkpoint: [
      'folder',
      1,
      null,
      {},
      { folder: '' },
      { folder: 'c', everySteps: 0 },
      { folder: 'c', everyMinutes: 0 },
      { folder: 'c', keep: 0 },
      { folder: 'c', keepBest: 1 },
      { folder: 'c', everyEpoch: false, onAbort: false },
    ],
    resume: [1, null, '', true],
    allowInexact: [1, 'yes', null],
    report: [1, true, '', null],
    signal: [new AbortController(), {}, 'stop', null],
    onProgress: ['log', {}, null],
  };

  test('the table has every option', async () => {
    const model = models.open(fixture('bert-mean'));
    const error = (await rejection(model.finetune(pairs, scores, { '?': 1 } as never))) as VectuneError;
    expect(error.code).toBe('ERR_UNKNOWN_OPTION');
    const named = /It has: (.*)\./.exec(error.message)![1]!.split(', ');
    expect(named.sort()).toEqual(Object.keys(wrong).sort());
  });

  test.each(Object.keys(wrong))('%s', async (name) => {
    for (const value of wrong[name]!) {
      await expectUntouched((model) => model.finetune(pairs, scores, { [name]: value }), {
        code: 'ERR_INVALID_OPTION',
        message: new RegExp(`\\b${name}\\b`),
      });
    }
  });

  test.each<[object, RegExp]>([
    [{ warmupSteps: 1, warmupRatio: 0.1 }, /warmupSteps and warmupRatio/],
    [{ earlyStopping: true, validationSplit: 0 }, /validationSplit is 0/],
    [{ batchSize: 16, effectiveBatchSize: 8 }, /batchSize.*16.*8/],
    [{ device: 'cpu', memoryFraction: 0.5 }, /memoryFraction.*device is 'cpu'.*memoryLimit/],
    [{ device: 'cpu', precision: 'fp16' }, /'fp16' is for GPUs.*'bf16'/],
    [{ schedule: 'lineer' }, /Did you mean 'linear'\?/],
  ])('%j: what to do is said', (options, message) =>
    expectUntouched((model) => model.finetune(pairs, scores, options), { code: 'ERR_INVALID_OPTION', message }),
  );

  test.each<[string, object, RegExp]>([
    ['a slip of the pen', { epoch: 3 }, /"epoch".*Did you mean "epochs"\?/],
    ['snake case', { learning_rate: 1 }, /Did you mean "learningRate"\?/],
    ['in earlyStopping', { earlyStopping: { patiense: 2 } }, /Did you mean "patience"\?/],
    ['in optimizer', { optimizer: { weight_decay: 0 } }, /Did you mean "weightDecay"\?/],
  ])('an unknown name: %s', (_, options, message) =>
    expectUntouched((model) => model.finetune(pairs, scores, options as never), {
      code: 'ERR_UNKNOWN_OPTION',
      message,
    }),
  );

  test.each([null, 'fast', 5, []])('options that are %j', (options) =>
    expectUntouched((model) => model.finetune(pairs, scores, options as never), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /options/,
    }),
  );

  test('maxInputLength above the positions', () =>
    expectUntouched((model) => model.finetune(pairs, scores, { maxInputLength: 21 }), {
      code: 'ERR_MAX_INPUT_LENGTH',
      message: /21.*20 tokens/,
    }));

  test('freeze of what is not there, with the name that may be meant', () =>
    expectUntouched((model) => model.finetune(pairs, scores, { freeze: ['encoder.layer.0', 'encoder.layers.1'] }), {
      code: 'ERR_INVALID_OPTION',
      message: /"encoder\.layers\.1".*Did you mean "encoder\.layer\.1"\?/,
    }));

  test.each([
    [
      'encoder.layer.0-7',
      /"encoder\.layer\.0-7".* has encoder\.layer\.0 to encoder\.layer\.1\. All of them are "encoder\.layer\.0-1"/,
    ],
    ['encoder.layer.1-0', /"encoder\.layer\.1-0", but 1 is behind 0/],
    ['layers.0-1', /"layers\.0-1".* no such parameter or module/],
    ['encoder.layer.0-1.attentions', /"encoder\.layer\.0\.attentions".*Did you mean "encoder\.layer\.0\.attention"/],
  ])('freeze of layers that are not there: %s', (range, message) =>
    expectUntouched((model) => model.finetune(pairs, scores, { freeze: [range] }), {
      code: 'ERR_INVALID_OPTION',
      message,
    }),
  );

  test('freeze of a part of a name', () =>
    expectUntouched((model) => model.finetune(pairs, scores, { freeze: ['embed'] }), {
      code: 'ERR_INVALID_OPTION',
      message: /"embed"/,
    }));

  test('freeze of everything', () =>
    expectUntouched((model) => model.finetune(pairs, scores, { freeze: ['embeddings', 'encoder', 'head'] }), {
      code: 'ERR_INVALID_OPTION',
      message: /nothing left to train/,
    }));
});

describe('the constructor', () => {
  const wrong: Record<string, readonly unknown[]> = {
    precision: ['fp8', 32, null],
    device: ['cuda:', 'gpu', 'cpu-tensors', 0, null],
    memoryFraction: [0, 1.5, '0.5', null],
    libtorch: ['', 5, null],
    installLibTorch: ['yes', 1, null],
    cacheFolder: ['', 5, null],
    hubUrl: ['', 5, null],
    revision: ['', 5, null],
    accessToken: ['', 5, null],
    offline: ['yes', 1, null],
    onProgress: ['log', {}, null],
    signal: [{}, true, null],
  };

  const refusal = (options: unknown) => thrown(() => new TextVectorisation(fixture('bert-mean'), options as never));

  test('every option with wrong values', () => {
    const unknown = refusal({ '?': 1 }) as VectuneError;
    expectRefusal(unknown, { code: 'ERR_UNKNOWN_OPTION' });
    expect(/It has: (.*)\./.exec(unknown.message)![1]!.split(', ').sort()).toEqual(Object.keys(wrong).sort());
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        expectRefusal(refusal({ [name]: value }), {
          code: 'ERR_INVALID_OPTION',
          message: new RegExp(`^${name} must be`),
        });
      }
    }
  });

  test('unknown names and options that are no object', () => {
    expectRefusal(refusal({ cachefolder: 'x' }), {
      code: 'ERR_UNKNOWN_OPTION',
      message: /Did you mean "cacheFolder"\?/,
    });
    expectRefusal(refusal('fp32'), { code: 'ERR_INVALID_ARGUMENT' });
  });

  test.each([undefined, null, '', 5, {}, [], { id: 5 }])('a model that is %j', (source) => {
    expectRefusal(
      thrown(() => new TextVectorisation(source as never)),
      { code: 'ERR_INVALID_ARGUMENT', message: /model/ },
    );
  });
});
