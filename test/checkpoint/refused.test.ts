import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError, InvalidArgumentError, type FinetuneOptions, type ScoredRow } from '../../lib';
import { readDescription, writeDescription } from '../../lib/finetune/checkpoint/content';
import type { Computation } from '../../lib/finetune/checkpoint/identity';
import { loadEngine } from '../../lib/engine/load';
import { packTexts, pairsOf, PLAIN, range, useCase } from '../parity/cases';
import { bits, editJson, fixture, PROBE_TEXTS, useModels } from '../public/models';
import { scoredRows } from '../public/rows';
import { finish, rejection, start } from '../public/runs';
import { EVERYTHING, names, state, upTo } from './support';

/** Going on with something else than what was begun is refused by name, and nothing is touched. */

const models = useModels();
const rows = scoredRows();
const options: FinetuneOptions = { ...EVERYTHING, epochs: 2 };
const open = () => models.open(fixture('bert-mean'));

let made: string;
beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), 'vectune-refused-'));
  const { of } = await finish(open(), rows, { ...options, checkpoint: { folder: join(made, 'whole') } });
  expect(of('validation')[1]).toMatchObject({ epoch: 1, best: true });
  await models.clear();
});
afterAll(() => rmSync(made, { recursive: true }));

/** A folder with the checkpoint of the first of two epochs, which made the model better. */
const checkpoint = (): string => upTo(join(made, 'whole'), 'step-00000007', models.path('checkpoints'));

async function refusal(
  model: ReturnType<typeof open>,
  data: readonly ScoredRow[],
  given: FinetuneOptions,
): Promise<CheckpointError> {
  const before = bits(await model.embed(PROBE_TEXTS));
  const folder = typeof given.resume === 'string' ? given.resume : given.checkpoint!.folder;
  const [name] = names(folder);
  const held = state(folder, name!);
  const observed = start(model, data, given);
  const error = (await rejection(observed.run)) as CheckpointError;
  expect(error).toBeInstanceOf(CheckpointError);
  expect(observed.of('step')).toEqual([]);
  expect(observed.of('restored')).toEqual([]);
  expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  expect(state(folder, name!)).toEqual(held);
  return error;
}

test('other data', async () => {
  const folder = checkpoint();
  const one = rows.map((row, i) => (i === 17 ? { ...row, score: 1 - row.score } : row));
  const fewer = await refusal(open(), rows.slice(1), { ...options, resume: folder });
  expect(fewer).toMatchObject({
    code: 'ERR_CHECKPOINT_MISMATCH',
    message: expect.stringContaining('data: 60 rows in the checkpoint, 59 now'),
  });
  const score = await refusal(open(), one, { ...options, resume: true, checkpoint: { folder } });
  expect(score.message).toContain('data: 60 rows in the checkpoint, 60 others now');
  const text = await refusal(
    open(),
    rows.map((row, i) => (i === 3 ? { ...row, text2: `${row.text2} ` } : row)),
    { ...options, resume: folder },
  );
  expect(text.message).toContain('data: ');
});

test("another model, another model's tokenizer", async () => {
  const folder = checkpoint();
  const other = await refusal(models.open(fixture('bert-dense')), rows, { ...options, resume: folder });
  expect(other).toMatchObject({ code: 'ERR_CHECKPOINT_MISMATCH', message: expect.stringContaining('model: ') });

  const tuned = open();
  await finish(tuned, rows, { ...options, seed: 77 });
  expect((await refusal(tuned, rows, { ...options, resume: folder })).message).toContain('other weights now');

  const copy = models.copy('bert-mean');
  editJson<{ model: { vocab: Record<string, number> } }>(join(copy, 'tokenizer.json'), ({ model: { vocab } }) => {
    const [a, b] = ['river', 'bread'];
    [vocab[a!], vocab[b!]] = [vocab[b!]!, vocab[a!]!];
  });
  expect((await refusal(models.open(copy), rows, { ...options, resume: folder })).message).toContain('tokenizer: ');
});

describe('the same weights that compute something else', () => {
  const pooling = { pooling_mode_mean_tokens: false, pooling_mode_max_tokens: true };
  type Change = [title: string, file: string, fields: object, message: string];
  const config = (title: string, fields: object, message: string): Change => [title, 'config.json', fields, message];
  const changes: Change[] = [
    config('heads', { num_attention_heads: 2 }, 'model.encoder.heads: 4 in the checkpoint, 2 now'),
    config(
      'activation',
      { hidden_act: 'relu' },
      'model.encoder.hiddenActivation: "gelu" in the checkpoint, "relu" now',
    ),
    config('eps', { layer_norm_eps: 1e-5 }, 'model.encoder.layerNormEps: 1e-12 in the checkpoint, 0.00001 now'),
    [
      'pooling',
      '1_Pooling/config.json',
      pooling,
      'model.head: [{"kind":"pooling","modes":["mean"]}] in the checkpoint',
    ],
  ];
  const changed = (file: string, fields: object): string => {
    const copy = models.copy('bert-mean');
    editJson(join(copy, file), (value: object) => void Object.assign(value, fields));
    return copy;
  };

  test.each(changes)('%s', async (_, file, fields, message) => {
    const folder = checkpoint();
    for (const resume of [{ resume: folder }, { resume: true, checkpoint: { folder }, allowInexact: true }]) {
      const error = await refusal(models.open(changed(file, fields)), rows, { ...options, ...resume });
      expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_MISMATCH', message: expect.stringContaining(message) });
    }
  });

  test('Normalize', async () => {
    const folder = checkpoint();
    const copy = models.copy('bert-mean');
    editJson(join(copy, 'modules.json'), (modules: object[]) => {
      modules.push({ idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' });
    });
    const error = await refusal(models.open(copy), rows, { ...options, resume: folder });
    expect(error.message).toMatch(/model\.head: .*\] in the checkpoint, .*\{"kind":"normalize"\}\] now/);
  });

  test('the activation of a Dense', async () => {
    const folder = models.path('dense');
    await finish(models.open(fixture('bert-dense')), rows, { ...options, epochs: 1, checkpoint: { folder } });
    const copy = models.copy('bert-dense');
    const identity = { activation_function: 'torch.nn.modules.linear.Identity' };
    editJson(join(copy, '2_Dense/config.json'), (value: object) => void Object.assign(value, identity));
    const error = await refusal(models.open(copy), rows, { ...options, epochs: 1, resume: folder });
    expect(error.message).toMatch(
      /model\.head: .*"activation":"tanh".* in the checkpoint, .*"activation":"identity".* now/,
    );
  });

  test("dropout: where the run takes the model's own", async () => {
    const copy = changed('config.json', { hidden_dropout_prob: 0.3, attention_probs_dropout_prob: 0.3 });
    const { dropout: _, ...own } = options;
    const folder = models.path('own');
    await finish(open(), rows, { ...own, epochs: 1, checkpoint: { folder } });
    const error = await refusal(models.open(copy), rows, { ...own, epochs: 1, resume: folder });
    expect(error.message).toContain('model.encoder.hiddenDropout: 0.1 in the checkpoint, 0.3 now');
    expect(error.message).toContain('model.encoder.attentionDropout: 0.1 in the checkpoint, 0.3 now');
    // Under a dropout of the run's, the model's has no effect.
    const resumed = await finish(models.open(copy), rows, { ...options, resume: checkpoint() });
    expect(resumed.of('restored')[0]!.differences).toEqual([]);
  });

  test.each<[string, (computes: Computation) => Computation | undefined, string]>([
    ['nothing of it', () => undefined, 'model: pooling, heads, activations, eps, dropout and Normalize are not told'],
    [
      'not all of it',
      (computes) => ({ ...computes, encoder: { ...computes.encoder, heads: undefined } }),
      'model.encoder.heads: not told in the checkpoint, 4 now',
    ],
  ])('a checkpoint of a version that told %s: refused; allowInexact goes on and tells', async (_, forget, told) => {
    const folder = checkpoint();
    const place = join(folder, names(folder)[0]!);
    const found = await readDescription(place);
    const { computes, ...model } = found.run.model;
    const rest = forget(computes!);
    rmSync(join(place, 'checkpoint.json'));
    await writeDescription(place, {
      ...found,
      run: { ...found.run, model: { ...model, ...(rest && { computes: rest }) } },
    });
    const error = await refusal(open(), rows, { ...options, resume: folder });
    expect(error).toMatchObject({ code: 'ERR_CHECKPOINT_INEXACT', message: expect.stringContaining(told) });
    const resumed = await finish(open(), rows, { ...options, resume: folder, allowInexact: true });
    expect(resumed.of('restored')[0]!.differences).toEqual([expect.stringContaining(told)]);
    expect(resumed.report.steps).toBe(14);
  });
});

describe('by the engine too', () => {
  const useBert = useCase('bert-mean');

  test('a state of as many other tokens: nothing is changed', async () => {
    const bert = useBert();
    const { addon, facts } = bert;
    const file = bert.path('state.safetensors');
    await bert.train({}, async (trainer) => {
      await addon.step(trainer, { rows: range(bert.pairs), microBatch: 2, learningRate: 1e-3, epoch: 0 });
      await addon.writeState(trainer, file);
    });
    // Another word in the place of one, wherever that is.
    const used = new Set(facts.ids.flat());
    const [other] = Array.from(range(used.size + 1)).filter((id) => !used.has(id));
    const one = facts.ids[0]![1];
    const { ids, offsets } = packTexts(facts.ids.map((text) => text.map((id) => (id === one ? other! : id))));
    const dataset = await addon.createDataset(ids, offsets, ...pairsOf(bert.pairs), Float32Array.from(facts.scores));
    const model = await addon.createModel(bert.opened.spec, bert.opened.weightFiles, 0);
    const trainer = await addon.createTrainer(model, dataset, PLAIN);
    try {
      const before = await addon.fingerprint(model);
      await expect(addon.restoreState(trainer, file, true)).rejects.toMatchObject({
        code: 'ERR_SAFETENSORS',
        message: expect.stringContaining("its texts use other tokens than this run's"),
      });
      expect(addon.trainerStats(trainer).steps).toBe(0);
      expect(await addon.fingerprint(model)).toBe(before);
    } finally {
      addon.disposeTrainer(trainer);
      addon.disposeDataset(dataset);
      addon.disposeModel(model);
    }
  });
});

test.each<[string, FinetuneOptions, string]>([
  ['learningRate', { learningRate: 2e-3 }, 'learningRate: 0.001 in the checkpoint, 0.002 now'],
  ['seed', { seed: 6 }, 'seed: 5 in the checkpoint, 6 now'],
  ['effectiveBatchSize', { effectiveBatchSize: 16 }, 'effectiveBatchSize: 8 in the checkpoint, 16 now'],
  ['batchSize', { batchSize: 2 }, 'batchSize: 4 in the checkpoint, 2 now'],
  ['schedule', { schedule: 'linear' }, 'schedule: "cosine" in the checkpoint, "linear" now'],
  ['warmupSteps', { warmupSteps: 4 }, 'warmupSteps: 3 in the checkpoint, 4 now'],
  [
    'optimizer',
    { optimizer: { weightDecay: 0.06, eps: 1e-7 } },
    'optimizer.weightDecay: 0.05 in the checkpoint, 0.06 now',
  ],
  ['maxGradientNorm', { maxGradientNorm: 1 }, 'maxGradientNorm: 0.5 in the checkpoint, 1 now'],
  ['dropout', { dropout: 0.1 }, 'dropout: 0.2 in the checkpoint, 0.1 now'],
  ['freeze', { freeze: ['embeddings'] }, 'freeze: [] in the checkpoint, ["embeddings"] now'],
  ['shuffle', { shuffle: false }, 'shuffle: true in the checkpoint, false now'],
  ['validationSplit', { validationSplit: 0.2 }, 'validationSplit: 0.15 in the checkpoint, 0.2 now'],
  ['earlyStopping', { earlyStopping: { patience: 3 } }, 'earlyStopping: null in the checkpoint'],
  ['precision', { precision: 'bf16' }, 'precision: "fp32" in the checkpoint, "bf16" now'],
  ['epochs, on which the rate depends', { epochs: 3 }, 'epochs: 2 in the checkpoint, 3 now'],
  ['maxInputLength', { maxInputLength: 5 }, 'maxInputLength: null in the checkpoint, 5 now'],
])('another option: %s', async (_, other, message) => {
  const folder = checkpoint();
  const error = await refusal(open(), rows, { ...options, ...other, resume: folder });
  expect(error.code).toBe('ERR_CHECKPOINT_MISMATCH');
  expect(error.message).toContain(message);
});

test('what changes no number is no difference', async () => {
  const folder = checkpoint();
  const resumed = await finish(open(), rows, {
    ...options,
    resume: folder,
    memoryLimit: 8e9,
    signal: new AbortController().signal,
  });
  expect(resumed.of('restored')[0]!.differences).toEqual([]);
});

describe('other threads, kernels or versions', () => {
  /** The checkpoint as another machine would have written it. */
  async function elsewhere(folder: string, change: Record<string, unknown>): Promise<string> {
    const target = models.path('elsewhere');
    cpSync(folder, target, { recursive: true });
    const place = join(target, names(target)[0]!);
    const found = await readDescription(place);
    for (const name of Object.keys(change)) expect(found.run.arithmetic).toHaveProperty(name);
    rmSync(join(place, 'checkpoint.json'));
    await writeDescription(place, {
      ...found,
      run: { ...found.run, arithmetic: { ...found.run.arithmetic, ...change } },
    });
    return target;
  }

  test.each<[string, Record<string, unknown>]>([
    ['LibTorch', { libtorch: '2.1.0' }],
    ['vectune', { vectune: '0.0.1' }],
    ['processor', { processor: 'another one' }],
    ['vector extensions', { features: 'sse4_2' }],
    ['kernels', { simd: 'plain', gemm: 'aten' }],
    ['a limit on the kernels', { ONEDNN_MAX_CPU_ISA: 'AVX2' }],
  ])('%s: refused; allowInexact goes on and tells', async (_, change) => {
    const folder = await elsewhere(checkpoint(), change);
    const error = await refusal(open(), rows, { ...options, resume: folder });
    expect(error.code).toBe('ERR_CHECKPOINT_INEXACT');
    for (const [name, value] of Object.entries(change))
      expect(error.message).toContain(`${name}: ${JSON.stringify(value)} in the checkpoint, `);
    const resumed = await finish(open(), rows, { ...options, resume: folder, allowInexact: true });
    expect(resumed.of('restored')[0]!.differences).toHaveLength(Object.keys(change).length);
    expect(resumed.report.steps).toBe(14);
  });

  test('threads: of the engine as it is now', async () => {
    const folder = checkpoint();
    const addon = await loadEngine();
    const { threads } = addon.info();
    await addon.setThreads(threads + 1);
    try {
      const error = await refusal(open(), rows, { ...options, resume: folder });
      expect(error).toMatchObject({
        code: 'ERR_CHECKPOINT_INEXACT',
        message: expect.stringContaining(`threads: ${threads} in the checkpoint, ${threads + 1} now`),
      });
    } finally {
      await addon.setThreads(threads);
    }
  });

  test('allowInexact does not let other options pass', async () => {
    const folder = checkpoint();
    expect((await refusal(open(), rows, { ...options, seed: 8, resume: folder, allowInexact: true })).code).toBe(
      'ERR_CHECKPOINT_MISMATCH',
    );
  });
});

test.each<[string, unknown, RegExp]>([
  [
    'checkpoint without a folder',
    { checkpoint: {} },
    /checkpoint\.folder is missing\. Give { checkpoint: { folder: … } }/,
  ],
  ['checkpoint as a path', { checkpoint: 'x' }, /Did you mean { checkpoint: { folder: 'x' } }\?/],
  ['an unknown name in it', { checkpoint: { folder: 'x', everyStep: 3 } }, /Did you mean "everySteps"/],
  ['no steps', { checkpoint: { folder: 'x', everySteps: 0 } }, /checkpoint\.everySteps must be an integer from 1/],
  ['no minutes', { checkpoint: { folder: 'x', everyMinutes: 0 } }, /checkpoint\.everyMinutes must be a number above 0/],
  ['none kept', { checkpoint: { folder: 'x', keep: 0 } }, /checkpoint\.keep must be an integer from 1/],
  ['never', { checkpoint: { folder: 'x', everyEpoch: false, onAbort: false } }, /would never write one/],
  ['resume from nowhere', { resume: true }, /no checkpoint\.folder/],
  ['resume of another kind', { resume: 3 }, /resume must be true, false or the path of a folder/],
  ['allowInexact without resume', { allowInexact: true }, /resume was not given/],
])('an option that cannot be: %s', async (_, given, message) => {
  const error = await rejection(start(open(), rows, given as FinetuneOptions).run);
  expect(error).toBeInstanceOf(InvalidArgumentError);
  expect((error as Error).message).toMatch(message);
});
