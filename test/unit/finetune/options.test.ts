import { InvalidArgumentError } from '../../../lib/system/errors';
import type { FinetuneOptions } from '../../../lib/finetune/options';
import { resolveOptions } from '../../../lib/finetune/resolved-options';

test('what is left out is left to the recipe', () => {
  expect(resolveOptions(undefined)).toEqual({
    recipe: 'auto',
    measure: null,
    merge: null,
    folds: null,
    search: null,
    keep: null,
    loss: null,
    sampler: null,
    teacher: null,
    teacherFile: null,
    multiDatasetSampler: null,
    prompts: null,
    onBadRow: 'refuse',
    groupedSplit: true,
    split: null,
    maxInputLength: null,
    validationSplit: 0.15,
    epochs: null,
    batchSize: 'auto',
    effectiveBatchSize: null,
    earlyStopping: null,
    learningRate: null,
    schedule: null,
    warmup: null,
    optimizer: null,
    maxGradientNorm: undefined,
    freeze: [],
    shuffle: true,
    dropout: null,
    precision: 'auto',
    seed: 1,
    memoryLimit: null,
    device: null,
    memoryFraction: null,
    file: undefined,
    checkpoint: null,
    resume: null,
    allowConstantScores: false,
    allowInexact: false,
    report: null,
    signal: undefined,
    onProgress: undefined,
  });
});

test("optimizer: the preset of torch, and numbers of one's own over it", () => {
  const torch = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, biasCorrection: true };
  expect(resolveOptions({ optimizer: 'torch' }).optimizer).toEqual(torch);
  expect(resolveOptions({ optimizer: {} }).optimizer).toEqual(torch);
  expect(resolveOptions({ optimizer: { eps: 0, biasCorrection: false } }).optimizer).toEqual({
    ...torch,
    eps: 0,
    biasCorrection: false,
  });
});

test('early stopping: what each form means', () => {
  const resolve = (options: FinetuneOptions) => resolveOptions(options).earlyStopping;
  expect(resolve({ earlyStopping: true })).toEqual({ patience: 1, minDelta: 0 });
  expect(resolve({ earlyStopping: false })).toBe(false);
  expect(resolve({ earlyStopping: { patience: 3 } })).toEqual({ patience: 3, minDelta: 0 });
  expect(resolve({ earlyStopping: { minDelta: 0.01 } })).toEqual({ patience: 1, minDelta: 0.01 });
  expect(resolve({ validationSplit: 0 })).toBeNull();
});

test('a batch size beyond the default step makes the step as large, unless that was chosen', () => {
  expect(resolveOptions({ batchSize: 128 }).effectiveBatchSize).toBe(128);
  expect(resolveOptions({ batchSize: 16 }).effectiveBatchSize).toBeNull();
  expect(resolveOptions({ batchSize: 128, effectiveBatchSize: 256 }).effectiveBatchSize).toBe(256);
});

test('a signal is known by what it does, and everything given is passed on', () => {
  const { signal } = new AbortController();
  const onProgress = () => undefined;
  expect(
    resolveOptions({
      signal,
      onProgress,
      warmupRatio: 0.1,
      schedule: 'cosine',
      seed: 0,
      dropout: 0,
      device: 'cuda:1',
      memoryFraction: 0.5,
      freeze: ['embeddings'],
      memoryLimit: 1e9,
      maxGradientNorm: 1,
      precision: 'bf16',
      shuffle: false,
      maxInputLength: 64,
      epochs: 1,
      learningRate: 1e-3,
      validationSplit: 0.5,
    }),
  ).toMatchObject({
    signal,
    onProgress,
    warmup: { ratio: 0.1 },
    schedule: 'cosine',
    seed: 0,
    dropout: 0,
    device: 'cuda:1',
    memoryFraction: 0.5,
    freeze: ['embeddings'],
    memoryLimit: 1e9,
    maxGradientNorm: 1,
    precision: 'bf16',
    shuffle: false,
    maxInputLength: 64,
    epochs: 1,
    learningRate: 1e-3,
    validationSplit: 0.5,
  });
});

test.each<[object, string, RegExp]>([
  [{ epoch: 3 }, 'ERR_UNKNOWN_OPTION', /no option "epoch".*"epochs"/],
  [{ max_input_length: 64 }, 'ERR_UNKNOWN_OPTION', /"maxInputLength"/],
  [{ learning_rate: 1 }, 'ERR_UNKNOWN_OPTION', /"learningRate"/],
  [{ somethingElse: 1 }, 'ERR_UNKNOWN_OPTION', /It has: maxInputLength, /],
  [{ earlyStopping: { patiense: 2 } }, 'ERR_UNKNOWN_OPTION', /"patience"/],
  [{ optimizer: { lr: 2 } }, 'ERR_UNKNOWN_OPTION', /optimizer has no option "lr"/],
  [{ epochs: 0 }, 'ERR_INVALID_OPTION', /epochs must be an integer from 1, but is 0/],
  [{ epochs: 1.5 }, 'ERR_INVALID_OPTION', /epochs/],
  [{ epochs: '20' }, 'ERR_INVALID_OPTION', /'20'/],
  [{ epochs: null }, 'ERR_INVALID_OPTION', /null/],
  [{ batchSize: 'largest' }, 'ERR_INVALID_OPTION', /'auto'/],
  [{ batchSize: 0 }, 'ERR_INVALID_OPTION', /batchSize/],
  [
    { batchSize: 64, effectiveBatchSize: 32 },
    'ERR_INVALID_OPTION',
    /batchSize .* is 64, but effectiveBatchSize .* is only 32/,
  ],
  [{ effectiveBatchSize: 'auto' }, 'ERR_INVALID_OPTION', /effectiveBatchSize/],
  [{ validationSplit: 1 }, 'ERR_INVALID_OPTION', /below 1/],
  [{ validationSplit: -0.1 }, 'ERR_INVALID_OPTION', /validationSplit/],
  [{ validationSplit: 0, earlyStopping: true }, 'ERR_INVALID_OPTION', /needs validation rows/],
  [{ earlyStopping: 2 }, 'ERR_INVALID_OPTION', /true, false or an object/],
  [{ earlyStopping: { patience: 0 } }, 'ERR_INVALID_OPTION', /patience/],
  [{ learningRate: 0 }, 'ERR_INVALID_OPTION', /above 0/],
  [{ learningRate: Infinity }, 'ERR_INVALID_OPTION', /learningRate/],
  [{ schedule: 'lineer' }, 'ERR_INVALID_OPTION', /Did you mean 'linear'/],
  [{ warmupSteps: 5, warmupRatio: 0.1 }, 'ERR_INVALID_OPTION', /give one/],
  [{ warmupRatio: 1.5 }, 'ERR_INVALID_OPTION', /0 to 1/],
  [{ optimizer: 'adam' }, 'ERR_INVALID_OPTION', /'notebook', 'torch'/],
  [{ optimizer: { beta1: 1 } }, 'ERR_INVALID_OPTION', /optimizer.beta1/],
  [{ maxGradientNorm: 0 }, 'ERR_INVALID_OPTION', /maxGradientNorm/],
  [{ freeze: 'embeddings' }, 'ERR_INVALID_OPTION', /list of names/],
  [{ dropout: 1 }, 'ERR_INVALID_OPTION', /below 1/],
  [{ precision: 'fp8' }, 'ERR_INVALID_OPTION', /'auto', 'fp32', 'bf16', 'tf32', 'fp16'/],
  [{ seed: -1 }, 'ERR_INVALID_OPTION', /4294967295/],
  [{ seed: 2 ** 32 }, 'ERR_INVALID_OPTION', /seed/],
  [{ memoryLimit: 0 }, 'ERR_INVALID_OPTION', /memoryLimit/],
  [{ maxInputLength: 2 }, 'ERR_INVALID_OPTION', /from 3/],
  [{ device: 'gpu' }, 'ERR_INVALID_OPTION', /'auto', 'cpu', 'cuda' or .*'cuda:1', but is 'gpu'/],
  [{ device: 'cuda:' }, 'ERR_INVALID_OPTION', /device/],
  [{ device: 'cuda:100' }, 'ERR_INVALID_OPTION', /device/],
  [{ device: 'cpu-tensors' }, 'ERR_INVALID_OPTION', /device/],
  [{ memoryFraction: 0 }, 'ERR_INVALID_OPTION', /above 0 and at most 1/],
  [{ memoryFraction: 1.1 }, 'ERR_INVALID_OPTION', /memoryFraction/],
  [{ shuffle: 1 }, 'ERR_INVALID_OPTION', /true or false/],
  [{ signal: {} }, 'ERR_INVALID_OPTION', /AbortSignal/],
  [{ onProgress: 'log' }, 'ERR_INVALID_OPTION', /function/],
  [[], 'ERR_INVALID_ARGUMENT', /object/],
])('refuses %j', (options, code, message) => {
  const work = () => resolveOptions(options);
  expect(work).toThrow(InvalidArgumentError);
  expect(work).toThrow(message);
  expect(work).toThrow(expect.objectContaining({ code }));
});
