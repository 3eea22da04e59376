import fc from 'fast-check';
import { balance } from '../../lib/data/balance';
import { listRows } from '../../lib/data/lists';
import { checkRow } from '../../lib/data/validate';
import { resolveReadOptions } from '../../lib/data/read-options';
import { InvalidArgumentError } from '../../lib/system/errors';
import { resolveOptions } from '../../lib/finetune/resolved-options';
import { cosineSimilarity, TextVectorisation } from '../../lib';
import { PATIENCE_MS, tries } from './property';

/** Options and data of any kind: an InvalidArgumentError, or taken as they are; never another error, never changed. */

const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 2 ** 32, 2 ** 53, 0.5, 1, 3),
);
const anything = fc.oneof(
  { weight: 3, arbitrary: numbers },
  {
    weight: 3,
    arbitrary: fc.constantFrom<unknown>(
      undefined,
      null,
      true,
      false,
      'auto',
      'cpu',
      'cuda:0',
      'fp32',
      '',
      [],
      {},
      () => 1,
      Symbol('s'),
      7n,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.anything({
      withTypedArray: true,
      withMap: true,
      withDate: true,
      withNullPrototype: true,
      withSparseArray: true,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant(
      new Proxy(
        {},
        {
          get: () => undefined,
          ownKeys: () => ['seed'],
          getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
        },
      ),
    ),
  },
);

/** Runs `work`; whether it was refused, and by an InvalidArgumentError with a sentence. */
function refused(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    expect(error.message.length > 0 && error.message.length < 1000).toBe(true);
    return true;
  }
}

function both(run: () => fc.IProperty<[unknown]> | fc.IProperty<[unknown, unknown]>, count: number): void {
  fc.assert(run() as fc.IProperty<unknown[]>, tries(count) as fc.Parameters<unknown[]>);
}

const FINETUNE = {
  maxInputLength: 64,
  validationSplit: 0.2,
  epochs: 3,
  batchSize: 8,
  effectiveBatchSize: 16,
  earlyStopping: { patience: 2 },
  learningRate: 1e-4,
  schedule: 'linear',
  warmupSteps: 3,
  optimizer: 'torch',
  maxGradientNorm: 1,
  freeze: ['embeddings'],
  shuffle: false,
  dropout: 0,
  precision: 'fp32',
  seed: 5,
  memoryLimit: 1e9,
  device: 'cpu',
};

test(
  'options of finetune',
  () => {
    expect(refused(() => resolveOptions(FINETUNE))).toBe(false);
    const names = [
      ...Object.keys(FINETUNE),
      'warmupRatio',
      'file',
      'signal',
      'onProgress',
      'unknown',
      '__proto__',
      'constructor',
    ];
    let [no, yes] = [0, 0];
    both(
      () =>
        fc.property(fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 4 }), (given) => {
          const options = { ...FINETUNE, ...given };
          if (refused(() => resolveOptions(options))) return void ++no;
          ++yes;
          const resolved = resolveOptions(options) as unknown as Record<string, unknown>;
          // A number that was taken is one that training can use.
          for (const name of ['epochs', 'learningRate', 'seed', 'validationSplit'])
            expect(Number.isFinite(resolved[name])).toBe(true);
          expect(resolved['epochs']).toBeGreaterThanOrEqual(1);
          expect(resolved['learningRate']).toBeGreaterThan(0);
        }),
      3000,
    );
    expect(Math.min(no, yes)).toBeGreaterThan(100);
    both(
      () =>
        fc.property(anything, (options) => {
          if (options === undefined || (typeof options === 'object' && options !== null)) return;
          expect(refused(() => resolveOptions(options))).toBe(true);
        }),
      500,
    );
  },
  PATIENCE_MS,
);

test(
  'a model and its options',
  () => {
    const names = [
      'precision',
      'libtorch',
      'installLibTorch',
      'cacheFolder',
      'hubUrl',
      'revision',
      'accessToken',
      'offline',
      'onProgress',
      'signal',
      'x',
    ];
    let [no, yes] = [0, 0];
    both(
      () =>
        fc.property(
          fc.oneof(fc.constant('a-folder'), anything),
          fc.dictionary(fc.constantFrom(...names), anything, { maxKeys: 2 }),
          (model, given) => {
            if (refused(() => new TextVectorisation(model as string, given))) ++no;
            else ++yes;
          },
        ),
      2000,
    );
    expect(Math.min(no, yes)).toBeGreaterThan(20);
  },
  PATIENCE_MS,
);

test(
  'options of reading a file',
  () => {
    const names = ['format', 'columns', 'header', 'quoting', 'scoreRange', 'unknown'];
    const value = fc.oneof(
      anything,
      fc.constantFrom<unknown>('csv', 'jsonl', [0, 5], { text1: 'a' }, { text1: 0, text2: 1, score: 2 }),
    );
    both(
      () =>
        fc.property(
          fc.constantFrom('a.csv', 'a.jsonl', 'a', ''),
          fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 3 }),
          (file, given) => {
            refused(() => resolveReadOptions(file, given));
          },
        ),
      2000,
    );
  },
  PATIENCE_MS,
);

test(
  'pairs, scores and rows',
  () => {
    const lists = fc.oneof(
      anything,
      fc.array(fc.oneof(anything, fc.tuple(fc.string(), fc.string()), fc.array(anything, { maxLength: 3 })), {
        maxLength: 4,
      }),
    );
    const scores = fc.oneof(anything, fc.array(numbers, { maxLength: 4 }), fc.float32Array({ maxLength: 4 }));
    both(
      () =>
        fc.property(lists, scores, (pairs, given) => {
          const all = () => {
            const lists = listRows(pairs, given);
            for (const read of lists.rows) read();
            return lists.finish();
          };
          if (refused(all)) return;
          const { form, labels } = all();
          const scores = form === 'scored-pairs' || form === 'labelled-pairs' ? Array.from(labels) : [];
          expect(scores.every((score) => score >= 0 && score <= 1)).toBe(true);
        }),
      3000,
    );
    const rows = fc.record(
      {
        text1: fc.oneof(fc.string(), anything),
        text2: fc.oneof(fc.string(), anything),
        score: fc.oneof(numbers, anything),
      },
      { requiredKeys: [] },
    );
    both(
      () =>
        fc.property(fc.oneof(rows, anything), (value) => {
          refused(() => checkRow(value, { row: 0 }));
          refused(() => balance([value] as never));
          refused(() => balance(value as never));
        }),
      2000,
    );
  },
  PATIENCE_MS,
);

test(
  'vectors that are compared',
  () => {
    const vector = fc.oneof(
      anything,
      fc.float32Array({ maxLength: 4 }),
      fc.array(numbers, { maxLength: 4 }),
      fc.array(fc.float32Array({ maxLength: 4 }), { maxLength: 3 }),
    );
    both(
      () =>
        fc.property(vector, vector, (a, b) => {
          if (refused(() => cosineSimilarity(a as never, b as never))) return;
          for (const one of [cosineSimilarity(a as never, b as never)].flat() as number[])
            expect(Number.isNaN(one) || Math.abs(one) <= 1).toBe(true);
        }),
      3000,
    );
  },
  PATIENCE_MS,
);
