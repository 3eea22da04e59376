import { mkdirSync } from 'node:fs';
import { balance, readRows, type ErrorCode, type ScoredRow } from '../../../lib';
import { fixture } from '../models';
import { rejection } from '../runs';
import {
  expectRefusal,
  expectUntouched,
  models,
  pairs,
  quick,
  rows,
  rowsWith,
  scores,
  thrown,
  type Refusal,
} from './refusals';

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
    ...([NaN, Infinity, -Number.MIN_VALUE, 1 + Number.EPSILON, 'one', '', null, undefined, 2n, {}] as unknown[]).map(
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
      message: /is a folder, but a data file is wanted/,
    });
  });

  test('what the option file says of a file alone, without a file', async () => {
    const refusal: Refusal = { code: 'ERR_INVALID_OPTION', message: /file\.format tells how to read a data file, but/ };
    const file = { format: 'csv' } as const;
    await expectUntouched((model) => model.finetune(pairs, scores, { ...quick, file }), refusal);
    await expectUntouched((model) => model.finetune(rows, { ...quick, file }), refusal);
    await expectUntouched((model) => model.finetune(oneByOne(rows), { ...quick, file }), refusal);
    const columns = { text1: 'a' };
    await expectUntouched((model) => model.finetune(pairs, scores, { ...quick, file: { columns } }), {
      code: 'ERR_INVALID_OPTION',
      message: /file\.columns names columns, but the data is lists/,
    });
    await expectUntouched((model) => model.finetune({ first: rows, second: rows }, { ...quick, file }), {
      code: 'ERR_INVALID_OPTION',
      message: /none of the data sets first, second has a use for it/,
    });
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
    expectRefusal(
      thrown(() => balance(given as never, options as never)),
      refusal,
    );
  });
});
