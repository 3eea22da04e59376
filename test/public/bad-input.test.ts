import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  balance,
  cosineSimilarity,
  InvalidArgumentError,
  ModelError,
  readRows,
  StateError,
  TextVectorisation,
  VectuneError,
  type ErrorCode,
  type FinetuneOptions,
  type ScoredRow,
} from '../../lib';
import { bits, editJson, fixture, liveObjects, PROBE_TEXTS, useModels } from './models';
import { lists, scoredRows } from './rows';
import { finish, rejection, start } from './runs';

/**
 * What is wrong is refused before anything is touched: the error has its class and code and names the row or file,
 * the model gives the same bits as before, and nothing native is left behind.
 */

const models = useModels();
const rows = scoredRows(8);
const { pairs, scores } = lists(rows);
const quick: FinetuneOptions = { epochs: 1, validationSplit: 0 };

interface Refusal {
  error?: new (...args: never[]) => VectuneError;
  code: ErrorCode;
  message?: RegExp;
  row?: number;
  file?: string;
}

function expectRefusal(
  error: unknown,
  { error: type = InvalidArgumentError, code, message = /./, row, file }: Refusal,
) {
  expect(error).toBeInstanceOf(type);
  const refusal = error as VectuneError;
  expect({ name: refusal.name, code: refusal.code, row: refusal.row, file: refusal.file }).toEqual({
    name: type.name,
    code,
    row,
    file,
  });
  expect(refusal.message).toMatch(message);
  if (row !== undefined) expect(refusal.message).toMatch(new RegExp(`\\b${row}\\b`));
  if (file !== undefined) expect(refusal.message).toContain(file);
}

/** Does `work` on a loaded model; it must reject (not throw), and leave the model and the engine as they were. */
async function expectUntouched(
  work: (model: TextVectorisation) => PromiseLike<unknown>,
  refusal: Refusal,
): Promise<void> {
  const model = models.open(fixture('bert-dense'));
  const before = bits(await model.embed(PROBE_TEXTS));
  const live = await liveObjects();
  const promise = work(model);
  expectRefusal(await rejection(promise), refusal);
  expect(bits(await model.embed(PROBE_TEXTS)) === before).toBe(true);
  expect(await liveObjects()).toEqual(live);
}

/** The rows with one of them changed. */
function rowsWith(row: number, change: object): ScoredRow[] {
  return rows.map((given, i) => (i === row ? { ...given, ...change } : given));
}

async function* oneByOne(list: readonly ScoredRow[]): AsyncGenerator<ScoredRow> {
  yield* list;
}

describe('lists of pairs and scores', () => {
  const twoPairs = pairs.slice(0, 2);
  const pairsWith = (row: number, pair: unknown) => pairs.map((given, i) => (i === row ? pair : given)) as typeof pairs;
  const scoresWith = (row: number, score: unknown) => scores.map((given, i) => (i === row ? score : given)) as number[];

  test.each<[string, unknown, unknown, Refusal]>([
    [
      'fewer scores than pairs',
      pairs,
      scores.slice(1),
      { code: 'ERR_LENGTH_MISMATCH', message: /8 pairs and 7 scores/ },
    ],
    [
      'fewer pairs than scores',
      twoPairs,
      new Float32Array(3),
      { code: 'ERR_LENGTH_MISMATCH', message: /2 pairs and 3 scores/ },
    ],
    ['pairs without scores', pairs, [], { code: 'ERR_LENGTH_MISMATCH', message: /8 pairs and 0 scores/ }],
    ['empty lists', [], [], { code: 'ERR_EMPTY_DATA' }],
    ['scores that are no list', pairs, 'ones', { code: 'ERR_INVALID_ARGUMENT' }],
    ['no scores at all', pairs, undefined, { code: 'ERR_INVALID_ARGUMENT', message: /scores/ }],
    ['nothing at all', undefined, undefined, { code: 'ERR_INVALID_ARGUMENT', message: /two lists|pairs/ }],
    ...([NaN, Infinity, -Number.MIN_VALUE, 1 + Number.EPSILON, '1', null, undefined, true, 1n, {}] as unknown[]).map(
      (score, i) =>
        [`score ${i}: ${String(score)}`, pairs, scoresWith(3, score), { code: 'ERR_SCORE_RANGE', row: 3 }] as [
          string,
          unknown,
          unknown,
          Refusal,
        ],
    ),
    ['a NaN in a Float64Array', pairs, Float64Array.from(scoresWith(7, NaN)), { code: 'ERR_SCORE_RANGE', row: 7 }],
    ...([1, null, undefined, {}, ['text'], new String('text'), Symbol('text')] as unknown[]).flatMap(
      (text) =>
        [
          [`first text ${String(text)}`, pairsWith(5, [text, 'b']), scores, { code: 'ERR_TEXT_TYPE', row: 5 }],
          [`second text ${String(text)}`, pairsWith(6, ['a', text]), scores, { code: 'ERR_TEXT_TYPE', row: 6 }],
        ] as [string, unknown, unknown, Refusal][],
    ),
    ...([['a', 'b', 'c'], ['a'], [], 'ab', null, { text1: 'a', text2: 'b' }] as unknown[]).map(
      (pair) =>
        [`pair ${JSON.stringify(pair)}`, pairsWith(4, pair), scores, { code: 'ERR_INVALID_ARGUMENT', row: 4 }] as [
          string,
          unknown,
          unknown,
          Refusal,
        ],
    ),
  ])('%s', (_, givenPairs, givenScores, refusal) =>
    expectUntouched((model) => model.finetune(givenPairs as never, givenScores as never, quick), refusal),
  );

  test('one row with a validation split, which takes one and leaves none', () =>
    expectUntouched((model) => model.finetune(pairs.slice(0, 1), [1]), {
      code: 'ERR_EMPTY_DATA',
      message: /at least 2 rows/,
    }));

  test('options in the wrong place', () =>
    expectUntouched((model) => model.finetune(rows as never, {} as never, quick), { code: 'ERR_INVALID_ARGUMENT' }));
});

describe('rows of an iterable', () => {
  test.each<[string, object | null, Refusal]>([
    ['a score above 1', { score: 2 }, { code: 'ERR_SCORE_RANGE', row: 6 }],
    ['no score', { score: undefined }, { code: 'ERR_SCORE_RANGE', row: 6 }],
    ['a text that is no string', { text2: 7 }, { code: 'ERR_TEXT_TYPE', row: 6, message: /text2/ }],
    ['no object', null, { code: 'ERR_INVALID_ARGUMENT', row: 6 }],
  ])('%s', async (_, change, refusal) => {
    const bad = change === null ? (rows.map((row, i) => (i === 6 ? null : row)) as ScoredRow[]) : rowsWith(6, change);
    await expectUntouched((model) => model.finetune(bad, quick), refusal);
    await expectUntouched((model) => model.finetune(oneByOne(bad), quick), refusal);
  });

  test('none', async () => {
    await expectUntouched((model) => model.finetune(new Set<ScoredRow>(), quick), { code: 'ERR_EMPTY_DATA' });
    await expectUntouched((model) => model.finetune(oneByOne([]), quick), { code: 'ERR_EMPTY_DATA' });
  });

  test('neither lists nor rows', () =>
    expectUntouched((model) => model.finetune(5 as never, quick), { code: 'ERR_INVALID_ARGUMENT' }));

  test('an error of the iterable itself comes out as it is', async () => {
    const model = models.open(fixture('bert-mean'));
    const mine = new RangeError('mine');
    const broken = async function* () {
      yield* rows;
      throw mine;
    };
    expect(await rejection(model.finetune(broken(), quick))).toBe(mine);
  });
});

describe('data files', () => {
  const header = 'text1,text2,score\n';

  test.each<[string, string, string, Partial<Refusal> & { code: ErrorCode }]>([
    [
      'a score above 1',
      'rows.csv',
      `${header}a,b,1\nc,d,4\n`,
      { code: 'ERR_SCORE_RANGE', row: 1, message: /scoreRange/ },
    ],
    ['a score that is no number', 'rows.csv', `${header}a,b,1\nc,d,1\ne,f,high\n`, { code: 'ERR_SCORE_RANGE', row: 2 }],
    ['an empty score', 'rows.tsv', 'text1\ttext2\tscore\na\tb\t\n', { code: 'ERR_SCORE_RANGE', row: 0 }],
    ['a field too few', 'rows.csv', `${header}a,b,1\nc,1\n`, { code: 'ERR_DATA_FILE', row: 1 }],
    ['a field too many', 'rows.csv', `${header}a,b,c,1\n`, { code: 'ERR_DATA_FILE', row: 0, message: /quotes/ }],
    ['a quote that is not closed', 'rows.csv', `${header}a,b,1\n"c,d,1\n`, { code: 'ERR_DATA_FILE', row: 1 }],
    ['no column of scores', 'rows.csv', 'text1,text2,stars\na,b,1\n', { code: 'ERR_DATA_FILE', message: /score/ }],
    ['no rows', 'rows.csv', header, { code: 'ERR_EMPTY_DATA' }],
    ['nothing', 'rows.csv', '', { code: 'ERR_EMPTY_DATA' }],
    [
      'a line that is no JSON',
      'rows.jsonl',
      '{"text1":"a","text2":"b","score":1}\n{"text1":\n',
      { code: 'ERR_DATA_FILE', row: 1 },
    ],
    [
      'a text that is a number',
      'rows.jsonl',
      '{"text1":"a","text2":"b","score":1}\n{"text1":"c","text2":5,"score":1}\n',
      { code: 'ERR_TEXT_TYPE', row: 1, message: /text2/ },
    ],
    [
      'a text that is missing',
      'rows.jsonl',
      '{"text1":"a","text2":"b","score":1}\n{"text1":"c","score":1}\n',
      { code: 'ERR_DATA_FILE', row: 1, message: /text2/ },
    ],
    ['an extension that says nothing', 'rows.dat', header, { code: 'ERR_DATA_FILE', message: /format/ }],
  ])('%s', async (_, name, content, refusal) => {
    const file = models.write(name, content);
    await expectUntouched((model) => model.finetune(file, quick), { file, ...refusal });
    expectRefusal(await rejection(readRows(file)), { file, ...refusal });
  });

  test('a file that is not there, and a folder', async () => {
    const file = models.path('none.csv');
    await expectUntouched((model) => model.finetune(file, quick), { code: 'ERR_DATA_FILE', file });
    mkdirSync(models.path('folder.csv'));
    await expectUntouched((model) => model.finetune(models.path('folder.csv'), quick), {
      code: 'ERR_DATA_FILE',
      file: models.path('folder.csv'),
      message: /not a file/,
    });
  });

  test('the option file without a file', async () => {
    const refusal: Refusal = { code: 'ERR_INVALID_OPTION', message: /option file/ };
    await expectUntouched((model) => model.finetune(pairs, scores, { ...quick, file: { format: 'csv' } }), refusal);
    await expectUntouched((model) => model.finetune(rows, { ...quick, file: { format: 'csv' } }), refusal);
    await expectUntouched((model) => model.finetune(oneByOne(rows), { ...quick, file: {} }), refusal);
  });

  test.each<[object, ErrorCode, RegExp]>([
    [{ fromat: 'csv' }, 'ERR_UNKNOWN_OPTION', /"format"/],
    [{ columns: { textt1: 'a' } }, 'ERR_UNKNOWN_OPTION', /"text1"/],
    [{ columns: { score: 1.5 } }, 'ERR_INVALID_OPTION', /columns\.score/],
    [{ format: 'xlsx' }, 'ERR_INVALID_OPTION', /format/],
    [{ header: 1 }, 'ERR_INVALID_OPTION', /header/],
    [{ quoting: 'no' }, 'ERR_INVALID_OPTION', /quoting/],
    [{ format: 'jsonl', header: true }, 'ERR_INVALID_OPTION', /header/],
    [{ scoreRange: [5, 0] }, 'ERR_INVALID_OPTION', /scoreRange/],
    [{ scoreRange: 5 }, 'ERR_INVALID_OPTION', /scoreRange/],
  ])('file: %j', async (file, code, message) => {
    const path = models.write('rows.csv', `${header}a,b,1\nc,d,0\n`);
    await expectUntouched((model) => model.finetune(path, { ...quick, file: file as never }), { code, message });
  });
});

describe('options of finetune', () => {
  const wrong: Record<string, readonly unknown[]> = {
    maxInputLength: [0, 2, 1.5, '64', null, NaN],
    validationSplit: [-0.1, 1, '0.1', NaN, null],
    epochs: [0, -1, 1.5, '20', Infinity, null],
    batchSize: [0, 1.5, 'Auto', '8', null],
    effectiveBatchSize: [0, 1.5, '8', null],
    earlyStopping: ['yes', 1, null, { patience: 0 }, { patience: 1.5 }, { minDelta: -1 }, { minDelta: '0' }],
    learningRate: [0, -1e-5, '2e-5', NaN, Infinity, null],
    schedule: ['Linear', 'step', 1, null],
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
    file: [{ format: 'csv' }],
    checkpoint: ['folder', 1, null, {}, { folder: '' }, { folder: 'c', everySteps: 0 }, { folder: 'c', everyMinutes: 0 },
      { folder: 'c', keep: 0 }, { folder: 'c', keepBest: 1 }, { folder: 'c', everyEpoch: false, onAbort: false }],
    resume: [1, null, '', true],
    allowInexact: [1, 'yes', null],
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

describe('embed', () => {
  test.each<[string, unknown, unknown, Refusal]>([
    ['a text that is no string', ['a', 'b', 3], undefined, { code: 'ERR_TEXT_TYPE', row: 2 }],
    ['a hole in the list', [, 'b'], undefined, { code: 'ERR_TEXT_TYPE', row: 0 }],
    ['neither text nor list', 5, undefined, { code: 'ERR_TEXT_TYPE' }],
    ['nothing', undefined, undefined, { code: 'ERR_TEXT_TYPE' }],
    [
      'an unknown option',
      'a',
      { maxLength: 5 },
      { code: 'ERR_UNKNOWN_OPTION', message: /It has: maxInputLength, signal/ },
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

  function thrown(work: () => unknown): unknown {
    try {
      work();
    } catch (error) {
      return error;
    }
    throw new Error('expected it to throw');
  }
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

describe('models that cannot be used', () => {
  /** The first use of each kind tells it, nothing native is left, and once the folder is mended the object works. */
  async function expectUnusable(folder: string, refusal: Refusal, mend: () => void): Promise<void> {
    const model = models.open(folder);
    const live = await liveObjects();
    const uses = [
      () => model.load(),
      () => model.info(),
      () => model.embed('a'),
      () => model.save(models.path('saved')),
      () => model.finetune(pairs, scores, quick),
    ];
    for (const use of uses) expectRefusal(await rejection(use()), { error: ModelError, ...refusal });
    expect(await liveObjects()).toEqual(live);
    mend();
    const sound = models.open(fixture('bert-dense'));
    expect(bits(await model.embed(PROBE_TEXTS)) === bits(await sound.embed(PROBE_TEXTS))).toBe(true);
  }

  test.each<[string, (folder: string) => string, ErrorCode, RegExp]>([
    [
      'an architecture that is not known',
      (folder) => {
        editJson<{ model_type: string }>(join(folder, 'config.json'), (config) => {
          config.model_type = 'gpt2';
        });
        return 'config.json';
      },
      'ERR_UNKNOWN_ARCHITECTURE',
      /"gpt2".*bert, distilbert, roberta/,
    ],
    [
      'a module that is not known',
      (folder) => {
        editJson<{ type: string }[]>(join(folder, 'modules.json'), (list) => {
          list[2]!.type = 'sentence_transformers.models.LSTM';
        });
        return 'modules.json';
      },
      'ERR_UNKNOWN_MODULE',
      /LSTM/,
    ],
    [
      'no config.json',
      (folder) => {
        rmSync(join(folder, 'config.json'));
        return 'config.json';
      },
      'ERR_MODEL_FOLDER',
      /missing/,
    ],
    [
      'a config.json that is cut off',
      (folder) => {
        writeFileSync(join(folder, 'config.json'), '{"model_type": "be');
        return 'config.json';
      },
      'ERR_MODEL_FOLDER',
      /JSON/,
    ],
    [
      'no weights',
      (folder) => {
        rmSync(join(folder, 'model.safetensors'));
        return 'model.safetensors';
      },
      'ERR_MODEL_FOLDER',
      /no weights/,
    ],
    [
      'a pickle',
      (folder) => {
        rmSync(join(folder, 'model.safetensors'));
        writeFileSync(join(folder, 'pytorch_model.bin'), '');
        return 'pytorch_model.bin';
      },
      'ERR_PICKLE',
      /safetensors/,
    ],
  ])('%s', async (_, damage, code, message) => {
    const folder = models.copy('bert-dense');
    const file = join(folder, damage(folder));
    await expectUnusable(folder, { code, message, file }, () => models.copy('bert-dense'));
  });

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length - 100)],
    ['cut off in the header', (bytes) => bytes.subarray(0, 100)],
    ['empty', () => Buffer.alloc(0)],
    ['of another format', () => Buffer.from('not a safetensors file at all')],
    [
      'with a header length beyond the file',
      (bytes) => {
        const changed = Buffer.from(bytes);
        changed.writeBigUInt64LE(1n << 60n);
        return changed;
      },
    ],
  ])('weights that are %s', async (_, damage) => {
    for (const name of ['model.safetensors', join('2_Dense', 'model.safetensors')]) {
      const folder = models.copy('bert-dense');
      const file = join(folder, name);
      writeFileSync(file, damage(readFileSync(file)));
      const message = new RegExp(file.replaceAll(/[.\\/]/g, '\\$&'));
      await expectUnusable(folder, { code: 'ERR_SAFETENSORS', message }, () => models.copy('bert-dense'));
    }
  });

  test('weights of another model', async () => {
    const folder = models.copy('bert-dense');
    writeFileSync(
      join(folder, 'model.safetensors'),
      readFileSync(join(fixture('distilbert-dense'), 'model.safetensors')),
    );
    await expectUnusable(folder, { code: 'ERR_SAFETENSORS', message: /embeddings/ }, () => models.copy('bert-dense'));
  });

  test('a tokenizer that is damaged', async () => {
    const folder = models.copy('bert-dense');
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": {}}');
    await expectUnusable(folder, { code: 'ERR_TOKENIZER', file: join(folder, 'tokenizer.json') }, () =>
      models.copy('bert-dense'),
    );
  });

  test('a folder that is not there', async () => {
    const folder = models.path('later');
    await expectUnusable(folder, { code: 'ERR_MODEL_FOLDER', file: folder, message: /no folder/ }, () =>
      models.copy('bert-dense', 'later'),
    );
  });

  test('a hub id that is nowhere, offline', async () => {
    const model = models.open('someone/some-model', { offline: true, cacheFolder: models.path('cache') });
    expectRefusal(await rejection(model.load()), {
      error: ModelError,
      code: 'ERR_MODEL_NOT_FOUND',
      message: /someone\/some-model.*offline/s,
    });
  });
});

describe('save', () => {
  test.each([undefined, null, '', 5])('to %j', (folder) =>
    expectUntouched((model) => model.save(folder as never), { code: 'ERR_INVALID_ARGUMENT', message: /folder/ }),
  );

  test('over a file', async () => {
    const file = models.write('notes', 'mine');
    await expectUntouched((model) => model.save(file), { error: ModelError, code: 'ERR_SAVE_TARGET', file });
    await expectUntouched((model) => model.save(join(file, 'model')), {
      error: ModelError,
      code: 'ERR_SAVE_TARGET',
      file: join(file, 'model'),
    });
    expect(readFileSync(file, 'utf8')).toBe('mine');
  });

  test('over a folder that is no model folder, and over one that holds more', async () => {
    const folder = models.path('work');
    mkdirSync(folder);
    models.write('work/thesis.txt', 'mine');
    const model = models.copy('bert-mean');
    models.write('copy/thesis.txt', 'mine');
    const all = () => [folder, model].map((place) => readdirSync(place, { recursive: true }).sort());
    const before = all();
    for (const file of [folder, model]) {
      await expectUntouched((it) => it.save(file), {
        error: ModelError,
        code: 'ERR_SAVE_TARGET',
        file,
        message: /thesis\.txt/,
      });
    }
    expect(all()).toEqual(before);
    expect(readdirSync(models.path()).sort()).toEqual(['copy', 'work']);
  });
});

describe('after dispose', () => {
  const methods = Object.getOwnPropertyNames(TextVectorisation.prototype).filter((name) => name !== 'constructor');
  const args: Record<string, unknown[]> = {
    load: [],
    info: [],
    embed: ['a'],
    finetune: [pairs, scores],
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
  const first = start(model, rows, { epochs: 3 });
  const refusal: Refusal = { error: StateError, code: 'ERR_BUSY', message: /Await that run or abort it/ };
  expectRefusal(await rejection(model.finetune(pairs, scores, quick)), refusal);
  while (first.of('step').length === 0) await new Promise(setImmediate);
  expectRefusal(await rejection(model.finetune(rows, quick)), refusal);
  const report = await first.run;
  expect(report.epochs.map((epoch) => epoch.trainingLoss)).toEqual(
    alone.report.epochs.map((epoch) => epoch.trainingLoss),
  );
  await model.finetune(pairs, scores, quick);
});

describe('balance', () => {
  test.each<[string, unknown, unknown, Refusal]>([
    [
      'one class only',
      rows.filter(({ score }) => score === 1),
      undefined,
      { code: 'ERR_SINGLE_CLASS', message: /all 4 rows is 1/ },
    ],
    [
      'perClass too large',
      rows,
      { perClass: 5 },
      { code: 'ERR_INVALID_OPTION', message: /perClass is 5.*only 4 rows/ },
    ],
    ['perClass 0', rows, { perClass: 0 }, { code: 'ERR_INVALID_OPTION', message: /perClass/ }],
    ['perClass a text', rows, { perClass: '2' }, { code: 'ERR_INVALID_OPTION', message: /perClass/ }],
    ['seed below 0', rows, { seed: -1 }, { code: 'ERR_INVALID_OPTION', message: /seed/ }],
    ['an unknown option', rows, { perclas: 1 }, { code: 'ERR_UNKNOWN_OPTION', message: /Did you mean "perClass"\?/ }],
    ['no rows', [], undefined, { code: 'ERR_EMPTY_DATA' }],
    ['no list', 5, undefined, { code: 'ERR_INVALID_ARGUMENT' }],
    ['a bad score', rowsWith(2, { score: NaN }), undefined, { code: 'ERR_SCORE_RANGE', row: 2 }],
    ['a bad text', rowsWith(2, { text1: null }), undefined, { code: 'ERR_TEXT_TYPE', row: 2 }],
  ])('%s', (_, given, options, refusal) => {
    let error: unknown;
    try {
      balance(given as never, options as never);
    } catch (thrown) {
      error = thrown;
    }
    expectRefusal(error, refusal);
  });
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
    let error: unknown;
    try {
      cosineSimilarity(a as never, b as never);
    } catch (thrown) {
      error = thrown;
    }
    expectRefusal(error, { code, message });
  });
});
