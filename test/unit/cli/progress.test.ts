import { Writable } from 'node:stream';
import { barLine } from '../../../lib/cli/bar';
import { DownloadDisplay } from '../../../lib/cli/download-display';
import { FinetuneDisplay } from '../../../lib/cli/finetune-display';
import { duration } from '../../../lib/cli/numbers';
import { gainWords } from '../../../lib/finetune/gain-words';
import type { ProgressStream } from '../../../lib/cli/terminal';
import type { EventContent } from '../../../lib/finetune/events';
import type { ValidationMetrics } from '../../../lib/finetune/metrics';
import type { FinetuneReport } from '../../../lib/finetune/report';
import { hasNvidiaDriver } from '../../../lib/system/platform';

const { CI, NO_COLOR, TERM } = process.env;
beforeEach(() => {
  delete process.env.CI;
  delete process.env.NO_COLOR;
  process.env.TERM = 'xterm';
});
afterAll(() => {
  for (const [name, value] of Object.entries({ CI, NO_COLOR, TERM })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});

/** A stream that keeps what is written to it; as a terminal it has 80 columns. */
function stream(isTTY: boolean): ProgressStream & { text: string } {
  const result = Object.assign(
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        result.text += chunk.toString();
        done();
      },
    }),
    { text: '', isTTY, columns: 80 },
  );
  return result;
}

const metrics = (loss: number, spearman: number | null): ValidationMetrics => ({
  loss,
  pearson: spearman,
  spearman,
  averagePrecision: null,
  f1: null,
  accuracy: null,
  mcc: null,
});

const report = {
  before: metrics(0.3, 0.2),
  bestEpoch: 1,
  outcome: 'taken',
  epochs: [{}, {}],
  steps: 40,
  tokens: 12345,
  seconds: 61.4,
  share: 1,
  gain: null,
  crossCheck: null,
  search: null,
  kept: null,
  randomPairs: null,
} as unknown as FinetuneReport;

/** What the notebook's recipe sets, and how a run that goes by its loss tells of an epoch. */
const settled = {
  model: 'owner/name',
  versions: { vectune: '0.1.0' },
  recipe: 'notebook',
  settings: {
    effectiveBatchSize: null,
    sampler: 'any',
    learningRate: 2e-5,
    schedule: 'constant',
    warmup: { steps: 0 },
    optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
    maxGradientNorm: null,
    epochs: 20,
    earlyStopping: { patience: 1, minDelta: 0 },
    merge: [1],
    measure: 'loss',
    folds: 1,
    prompts: null,
    dropout: null,
    freeze: [],
    validationSplit: 0.15,
    groupedSplit: true,
    shuffle: true,
  },
} as const;
const byLoss = { measure: 'loss', share: null, tried: [] } as const;

const step = (epoch: number, n: number, loss: number): EventContent => ({
  type: 'step',
  epoch,
  epochs: 20,
  step: n,
  steps: 2,
  totalSteps: n,
  loss,
  learningRate: 2e-5,
  gradientNorm: null,
  tokens: 500,
  tokensPerSecond: 8412.4,
  eta: 65,
  fraction: (n + 2 * (epoch - 1)) / 40,
});

const trialStep = (trial: number, trials: number | null, n: number): EventContent => ({
  type: 'trial-step',
  during: trials === null ? 'search' : 'cross-check',
  trial,
  trials,
  epoch: n > 3 ? 2 : 1,
  epochs: 2,
  step: n > 3 ? n - 3 : n,
  steps: 3,
  loss: 0.25,
  tokens: 500,
  tokensPerSecond: 8412.4,
  fraction: trials === null ? null : n / 30,
  eta: trials === null ? null : 65,
});

const data = (validationRows: number): EventContent => ({
  type: 'data',
  set: null,
  form: 'labelled-pairs',
  understood: '428 pairs with label 0/1: 200 ones; columns q1, q2, same',
  skippedRows: 0,
  duplicateRows: 0,
  contradictoryRows: 0,
  sharedValidationRows: 0,
  rows: 428,
  trainingRows: 428 - validationRows,
  validationRows,
  tokens: 10234,
  longest: 31,
  maxInputLength: 64,
  emptyTexts: 1,
  file: null,
  notes: ['1 row has an empty text.'],
});

const events: EventContent[] = [
  data(64),
  {
    type: 'summary',
    ...settled,
    loss: { name: 'cosine-mse' },
    parameters: 135127808,
    trainableParameters: 135127808,
    bytes: 540511232,
    megabytes: '540.511',
    precision: 'fp32',
    device: 'cpu',
    gpu: null,
    threads: 2,
    seed: 4294967295,
    memoryLimit: 123456789012,
  },
  {
    type: 'finder',
    outcome: 'succeeded',
    batchSize: 2,
    next: 4,
    message: 'Batch size 2 succeeded, trying batch size 4',
  },
  { type: 'validating', epoch: 0, done: 10, rows: 64 },
  { type: 'validation', epoch: 0, trainingLoss: null, ...byLoss, metrics: metrics(0.3, 0.2), best: true },
  { type: 'epoch-start', epoch: 1, epochs: 20, steps: 2 },
  step(1, 1, 0.25),
  {
    type: 'out-of-memory',
    during: 'step',
    epoch: 1,
    batchSize: 32,
    next: 16,
    message: 'Out of memory with batch size 32',
  },
  step(1, 2, 0.15),
  { type: 'validating', epoch: 1, done: 64, rows: 64 },
  { type: 'validation', epoch: 1, trainingLoss: 0.2, ...byLoss, metrics: metrics(0.1, 0.45678), best: true },
  { type: 'epoch-start', epoch: 2, epochs: 20, steps: 2 },
  step(2, 1, 0.1),
  { type: 'validation', epoch: 2, trainingLoss: 0.1, ...byLoss, metrics: metrics(0.2, -0.3), best: false },
  { type: 'early-stop', epoch: 2, bestEpoch: 1, patience: 1 },
  { type: 'done', report },
];

function shown(list: readonly EventContent[], isTTY: boolean): string {
  const output = stream(isTTY);
  const display = new FinetuneDisplay(output);
  for (const event of list) display.show(event);
  display.end();
  display.end();
  return output.text;
}

test('elsewhere than on a terminal there is a line for what is worth one', () => {
  expect(shown(events, false).split('\n')).toEqual([
    '428 pairs with label 0/1: 200 ones; columns q1, q2, same',
    '428 pairs: 364 to train on, 64 to validate with',
    '10,234 tokens, the longest text has 31 (limit 64)',
    '1 row has an empty text.',
    '135,127,808 parameters (540.511 MB), all trained',
    'recipe notebook: loss cosine-mse',
    'batch up to 32, learning rate 2e-5 constant, 20 epochs, patience 1',
    'AdamW (notebook)',
    'chosen by loss; all of the trained weights',
    'cpu, fp32, 2 threads, at most 123.5 GB of memory, seed 4294967295',
    'Batch size 2 succeeded, trying batch size 4',
    'untrained                  validation 0.3000  Spearman 0.2000',
    'Out of memory with batch size 32',
    'epoch  1/20   loss 0.2000  validation 0.1000  Spearman 0.4568  best',
    'epoch  2/20   loss 0.1000  validation 0.2000  Spearman -0.3000',
    'no better for 1 epoch: stopped, back to the weights of epoch 1',
    '2 epochs, 40 steps, 12,345 tokens in 1:01; kept the weights of epoch 1',
    '',
  ]);
});

test('what the recipe and the options came to is told in few words', () => {
  const summary = events.find(({ type }) => type === 'summary') as Extract<EventContent, { type: 'summary' }>;
  const said = (settings: Partial<(typeof summary)['settings']>): string[] =>
    shown([{ ...summary, settings: { ...summary.settings, ...settings } }], false)
      .split('\n')
      .slice(2, 5);
  const torch = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, biasCorrection: true };
  const auto = {
    effectiveBatchSize: 64,
    schedule: 'linear',
    epochs: 2,
    earlyStopping: null,
    optimizer: torch,
  } as const;
  expect(
    said({
      ...auto,
      sampler: 'no-duplicates',
      warmup: { ratio: 0.1 },
      maxGradientNorm: 1,
      merge: [1, 0.85, 0.7, 0.5],
      measure: 'mrr10',
      folds: 5,
    }),
  ).toEqual([
    'batch 64 without duplicates, learning rate 2e-5 linear after 10 % of warm-up, 2 epochs',
    'AdamW (torch), gradients clipped to 1',
    'chosen by MRR@10, in 5 parts of the rows; 1, 0.85, 0.7 or 0.5 of the trained weights',
  ]);
  const own = { ...torch, weightDecay: 0.1 };
  expect(
    said({ ...auto, warmup: { steps: 100 }, optimizer: own, sampler: { a: 'any', b: 'by-class' } }).slice(0, 2),
  ).toEqual([
    'batch 64 (b by class), learning rate 2e-5 linear after 100 steps of warm-up, 2 epochs',
    'AdamW (weightDecay 0.1)',
  ]);
});

test('a mean over data sets is not called too few rows', () => {
  const gain = { measure: 'average', before: 0.2, after: 0.3, difference: 0.1, confidence: 0.95 } as const;
  expect(gainWords({ ...gain, interval: null, verdict: null })).toBe(
    "mean of the sets' measures 0.2000 → 0.3000, +0.1000",
  );
  expect(gainWords({ ...gain, measure: 'mrr10', interval: null, verdict: null })).toMatch(
    /: too few rows to tell from chance$/,
  );
});

test("a GPU's name and memory are told; which processor is used is not worth a line", () => {
  const gpu: EventContent[] = [
    { type: 'device', device: 'cuda:0', gpu: 'NVIDIA A2', message: 'The GPU cuda:0, NVIDIA A2, is used' },
    {
      type: 'summary',
      ...settled,
      loss: { name: 'triplet', triplet_margin: 1 },
      parameters: 10,
      trainableParameters: 10,
      bytes: 40,
      megabytes: '0.000',
      precision: 'bf16',
      device: 'cuda:0',
      gpu: 'NVIDIA A2',
      threads: 2,
      seed: 1,
      memoryLimit: null,
    },
    {
      type: 'device-memory',
      after: 'finder',
      allocated: 1e9,
      peak: 12.34e9,
      reserved: 13e9,
      fragmentation: 0.1,
      free: 2e9,
      total: 16e9,
    },
    {
      type: 'device-memory',
      after: 'epoch',
      allocated: 1e9,
      peak: 12e9,
      reserved: 13e9,
      fragmentation: 0.1,
      free: 2e9,
      total: 16e9,
    },
  ];
  expect(shown(gpu, false).split('\n')).toEqual([
    'The GPU cuda:0, NVIDIA A2, is used',
    '10 parameters (0.000 MB), all trained',
    'recipe notebook: loss triplet (triplet_margin 1)',
    'batch up to 32, learning rate 2e-5 constant, 20 epochs, patience 1',
    'AdamW (notebook)',
    'chosen by loss; all of the trained weights',
    'cuda:0 (NVIDIA A2), bf16, 2 threads, seed 1',
    "the GPU's memory: 12.3 GB at most of 16.0 GB, 2.0 GB free",
    '',
  ]);
  if (hasNvidiaDriver()) return;
  expect(
    shown(
      [{ type: 'device', device: 'cpu', gpu: null, message: 'The processor is used, as no GPU can be used' }],
      false,
    ),
  ).toBe('');
});

test('no line is wider than 80 columns', () => {
  for (const line of shown(events, false).split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

test.each([
  ['in CI', { CI: 'true' }],
  ['with TERM=dumb', { TERM: 'dumb' }],
  ['with NO_COLOR', { NO_COLOR: '1' }],
])('%s a terminal gets lines, and no bar', (_, environment) => {
  Object.assign(process.env, environment);
  expect(shown(events, true)).toBe(shown(events, false));
  expect(shown(events, true)).not.toContain('\x1B');
});

test('elsewhere than on a terminal there is a line of progress every so many seconds', () => {
  const output = stream(false);
  let now = 1e6;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => now);
  const display = new FinetuneDisplay(output, 5);
  const long = (n: number) => ({ ...step(1, n, 0.25), steps: 100 }) as EventContent;
  display.show(data(64));
  for (let n = 1; n <= 12; ++n) {
    now += 1000;
    display.show(long(n));
  }
  now += 6000;
  display.show({ type: 'validating', epoch: 0, done: 10, rows: 64 });
  clock.mockRestore();
  expect(output.text.split('\n').slice(4)).toEqual([
    'epoch  1/20  5/100  loss 0.2500  8,412 tokens/s  1:05 left',
    'epoch  1/20  10/100  loss 0.2500  8,412 tokens/s  1:05 left',
    'untrained  validating 10/64',
    '',
  ]);
});

test('--log-every gives lines on a terminal too', () => {
  const output = stream(true);
  const display = new FinetuneDisplay(output, 1e-9);
  for (const event of events) display.show(event);
  display.end();
  expect(output.text).not.toContain('\x1B');
});

test('a terminal gets a bar with epoch, step, loss, tokens per second and time left', () => {
  const output = stream(true);
  const display = new FinetuneDisplay(output);
  display.show(data(64));
  display.show({ type: 'epoch-start', epoch: 1, epochs: 20, steps: 2 });
  const started = output.text.length;
  // The bar is redrawn at most every tenth of a second.
  const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 1000);
  display.show(step(1, 1, 0.25));
  now.mockRestore();
  expect(output.text.slice(started)).toMatch(
    /epoch {2}1\/20 \[=+ +\] 1\/2 {2}loss 0\.2500 {2}8,412 tokens\/s {2}1:05 left/,
  );
  display.end();
});

test('on a terminal a bar moves while models are trained that are thrown away', () => {
  const output = stream(true);
  const display = new FinetuneDisplay(output);
  display.show(data(30));
  let later = Date.now();
  const drawnBy = (event: EventContent): string => {
    const started = output.text.length;
    later += 1000;
    const now = jest.spyOn(Date, 'now').mockReturnValue(later);
    display.show(event);
    now.mockRestore();
    return output.text.slice(started);
  };
  drawnBy(trialStep(1, null, 1));
  expect(drawnBy(trialStep(1, null, 5))).toMatch(/trial 1 \[=+ +\] 5\/6 {2}loss 0\.2500 {2}8,412 tokens\/s(?! {2})/);
  drawnBy(trialStep(2, 4, 1));
  const early = drawnBy(trialStep(2, 4, 2));
  expect(early).toMatch(/cross-check 2\/4 \[=+ +\] 2\/6 {2}loss 0\.2500 {2}8,412 tokens\/s {2}1:05 left/);
  const late = drawnBy(trialStep(2, 4, 5));
  const length = (drawn: string) => /\[(=+) *\]/.exec(drawn)![1]!.length;
  expect(length(late)).toBeGreaterThan(length(early));
  display.end();
  expect(output.text.lastIndexOf('\x1B[?25h')).toBeGreaterThan(output.text.lastIndexOf('\x1B[?25l'));
});

test('elsewhere a line tells now and then how far such models are', () => {
  const output = stream(false);
  const display = new FinetuneDisplay(output, 1e-9);
  const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 1000);
  display.show(trialStep(2, 4, 5));
  now.mockRestore();
  expect(output.text).toBe('cross-check 2/4  5/6  loss 0.2500  8,412 tokens/s  1:05 left\n');
});

test('a line in the middle of an epoch takes the bar away no longer than it must', () => {
  const output = stream(true);
  const display = new FinetuneDisplay(output);
  display.show({ type: 'epoch-start', epoch: 1, epochs: 20, steps: 2 });
  display.show(step(1, 1, 0.25));
  const split = { batchSize: 32, next: 16, message: 'Out of memory' };
  display.show({ type: 'out-of-memory', during: 'validation', epoch: 1, ...split });
  const started = output.text.length;
  const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 1000);
  display.show({ type: 'validating', epoch: 1, done: 5, rows: 10 });
  now.mockRestore();
  expect(output.text.slice(started)).toMatch(/epoch {2}1\/20 \[=+ +\] validating 5\/10/);
  display.end();
});

test('the bar leaves nothing running, and gives the cursor back', () => {
  const text = shown(events.slice(0, 9), true);
  expect(text.lastIndexOf('\x1B[?25h')).toBeGreaterThan(text.lastIndexOf('\x1B[?25l'));
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('without validation rows an epoch ends with the mean loss of its steps', () => {
  const lines = shown(
    [data(0), { type: 'epoch-start', epoch: 1, epochs: 20, steps: 2 }, step(1, 1, 0.25), step(1, 2, 0.15)],
    false,
  );
  expect(lines).toContain('none to validate with');
  expect(lines).toContain('epoch  1/20   loss 0.2000 (mean of its steps)\n');
});

test('a run that made nothing better is told as such', () => {
  const lines = shown(
    [
      { type: 'early-stop', epoch: 1, bestEpoch: 0, patience: 1 },
      { type: 'done', report: { ...report, bestEpoch: 0, outcome: 'not-better' } },
    ],
    false,
  );
  expect(lines).toContain('back to the untrained weights');
  expect(lines).toContain('nothing got better, the model is as it was');
});

test('what a small set does not show, and what a search found, is told', () => {
  const lines = shown(
    [
      {
        type: 'search',
        outcome: 'tried',
        learningRate: 1e-4,
        effectiveBatchSize: 16,
        value: 0.5,
        measure: 'spearman',
        seconds: 3,
        message: 'Trial 1: fine',
      },
      { type: 'cross-check', done: 1, folds: 2 },
      { type: 'cross-check', done: 2, folds: 2 },
      {
        type: 'gain-not-shown',
        epoch: 1,
        folds: 3,
        rows: 40,
        gain: null,
        message: 'Whether epoch 1 made it better does not show',
      },
      { type: 'done', report: { ...report, bestEpoch: 0, outcome: 'not-shown', crossCheck: { folds: 3, rows: 40 } } },
    ],
    false,
  );
  expect(lines).toContain('Trial 1: fine\n');
  expect(lines.match(/few rows: 2 models that are thrown away were trained/g)).toHaveLength(1);
  expect(lines).toContain('Whether epoch 1 made it better does not show\n');
  expect(lines).toContain('no gain shows on so few rows: the model is as it was');
});

test.each([20, 40, 79, 200])('a bar line fits in %d columns', (columns) => {
  for (const progress of [-1, 0, 0.5, 1, 2]) {
    const line = barLine('epoch 12/20', progress, '120/1000  loss 0.1234  8,412 tokens/s  1:00:05 left', columns);
    expect(line.length).toBeLessThanOrEqual(columns);
  }
});

test.each([
  [0, '0:00'],
  [59.6, '1:00'],
  [3599, '59:59'],
  [3725, '1:02:05'],
  [Infinity, '-'],
  [NaN, '-'],
])('%d seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

test('a download is one line per file elsewhere than on a terminal', () => {
  const output = stream(false);
  const display = new DownloadDisplay(output);
  const event = { type: 'model-download' as const, id: 'owner/name', source: 'wheel' as const };
  for (const receivedBytes of [1e6, 4e7, 8e7]) {
    display.show({ ...event, file: 'name.whl', receivedBytes, totalBytes: 8e7 });
  }
  display.show({ ...event, source: 'hub', file: 'config.json', receivedBytes: 5, totalBytes: null });
  display.end();
  expect(output.text).toBe(
    'fetching owner/name from a Python wheel: name.whl (80 MB)\n' + 'fetching owner/name from the hub: config.json\n',
  );
});
