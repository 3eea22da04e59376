import type { DataForm, TrainingData } from '../../../lib/data/form';
import { resolveLoss } from '../../../lib/finetune/losses/choice';
import { checkFits, defaultLoss, fitting, samplerOf } from '../../../lib/finetune/losses/fit';
import { withThresholdsOf } from '../../../lib/finetune/fitted-threshold';
import { lossName, lossWords, toldLoss } from '../../../lib/finetune/losses/told';
import { checkRows } from '../../../lib/finetune/training-rows';
import { InvalidArgumentError } from '../../../lib/system/errors';

/** The option `loss`: what it may be, and on which rows. */

const resolve = (value: unknown) => resolveLoss('loss', value);

function refusal(work: () => unknown): InvalidArgumentError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidArgumentError);
    return error as InvalidArgumentError;
  }
  throw new Error('it was not refused');
}

const data = (form: DataForm, rows: string[][], labels: number[] = []): TrainingData => ({
  form,
  rows,
  labels,
  labelWidth: labels.length / rows.length,
});
const sets: Record<DataForm, TrainingData> = {
  'scored-pairs': data('scored-pairs', [['a', 'b']], [0.5]),
  'labelled-pairs': data('labelled-pairs', [['a', 'b']], [1]),
  'classified-pairs': data('classified-pairs', [['a', 'b']], [2]),
  'positive-pairs': data('positive-pairs', [['a', 'b']]),
  triplets: data('triplets', [['a', 'b', 'c']]),
  classes: data('classes', [['a']], [0]),
  vectors: data('vectors', [['a']], [1, 2, 3]),
  candidates: data('candidates', [['a', 'b', 'c']], [2, 1]),
};

test('a name, or an object with options of which those that were given are passed on', () => {
  expect(resolve('cosent').native).toEqual({ name: 'cosent' });
  expect(resolve({ name: 'triplet', triplet_margin: 1 }).native).toEqual({ name: 'triplet', triplet_margin: 1 });
  expect(resolve({ name: 'multiple-negatives-ranking', directions: ['query_to_doc', 'doc_to_query'] }).native).toEqual({
    name: 'multiple-negatives-ranking',
    directions: ['query_to_doc', 'doc_to_query'],
  });
  const matryoshka = resolve({
    name: 'matryoshka',
    loss: { name: 'multiple-negatives-ranking', scale: 30 },
    matryoshka_dims: [8, 4],
  });
  expect(matryoshka.native).toEqual({
    name: 'matryoshka',
    loss: { name: 'multiple-negatives-ranking', scale: 30 },
    matryoshka_dims: [8, 4],
  });
  expect(samplerOf(matryoshka, sets['positive-pairs'])).toBe('no-duplicates');
  expect(lossWords(matryoshka.native)).toMatch(/^multiple negatives ranking.*cut to 8, 4 numbers$/);
  const sum = resolve({ name: 'sum', losses: ['cosent', { loss: 'angle', weight: 0.5 }] });
  expect(sum.native).toEqual({
    name: 'sum',
    losses: [
      { name: 'cosent', weight: 1 },
      { name: 'angle', weight: 0.5 },
    ],
  });
});

test('what people read of a loss has its options, and the weights of a sum', () => {
  const words = (value: unknown) => lossWords(resolve(value).native);
  expect(words({ name: 'triplet', distance_metric: 'cosine', triplet_margin: 0.3 })).toMatch(
    /^triplet: .* \(distance_metric cosine, triplet_margin 0\.3\)$/,
  );
  const directions = ['query_to_doc', 'doc_to_doc'];
  const sum = {
    name: 'sum',
    losses: [
      { name: 'multiple-negatives-ranking', directions },
      { loss: 'global-orthogonal-regularization', weight: 0.1 },
    ],
  };
  expect(words(sum)).toMatch(/\(directions \[query_to_doc, doc_to_doc\]\) \+ 0\.1 × vectors spread/);
  expect(words({ name: 'adaptive-layer', loss: 'cosent', n_layers_per_step: 2 })).toMatch(
    /too \(n_layers_per_step 2\)$/,
  );
  expect(lossName(resolve(sum).native)).toBe(
    'multiple-negatives-ranking (directions [query_to_doc, doc_to_doc]) + 0.1 global-orthogonal-regularization',
  );
  const several = { name: 'several', sets: { a: { name: 'cosent', scale: 3 }, b: { name: 'mse' } } };
  expect(lossWords(several)).toMatch(/^a: CoSENT.*\(scale 3\); b: mean squared error to/);
  // Of a log of another version.
  for (const odd of [{ name: 'new' }, { name: 'several' }, { name: 'matryoshka' }, { name: 'sum', losses: 3 }])
    expect(lossWords(odd)).not.toContain('undefined [');
});

test('a logistic without a threshold is known, and gets that of the run that is gone on with', () => {
  expect(resolve('logistic').native).toEqual({ name: 'logistic' });
  const loss = resolve({
    name: 'sum',
    losses: [{ name: 'logistic', scale: 10 }, { loss: { name: 'logistic', threshold: 0.2 }, weight: 2 }, 'cosent'],
  });
  const then = (first: object) => ({ name: 'sum', losses: [first, { name: 'logistic', threshold: 0.2, weight: 2 }] });
  expect(withThresholdsOf(loss, then({ name: 'logistic', threshold: 0.7, scale: 10 }))!.native).toEqual({
    name: 'sum',
    losses: [
      { name: 'logistic', threshold: 0.7, scale: 10, weight: 1 },
      { name: 'logistic', threshold: 0.2, weight: 2 },
      { name: 'cosent', weight: 1 },
    ],
  });
  expect(withThresholdsOf(loss, then({ name: 'cosent' }))).toBeUndefined();
  expect(withThresholdsOf(loss, undefined)).toBeUndefined();
});

test('adaptive-layer is around another one, and sees hidden layers', () => {
  const adaptive = resolve({ name: 'adaptive-layer', loss: 'multiple-negatives-ranking', n_layers_per_step: -1 });
  expect(adaptive).toEqual({
    native: { name: 'adaptive-layer', loss: { name: 'multiple-negatives-ranking' }, n_layers_per_step: -1 },
    parts: ['multiple-negatives-ranking'],
  });
  expect(lossWords(adaptive.native)).toMatch(
    /^multiple negatives ranking.*, of hidden layers too \(n_layers_per_step -1\)$/,
  );
  expect(samplerOf(adaptive, sets['positive-pairs'])).toBe('no-duplicates');
});

test("a loss of the caller's own is known by name and version, and fits all rows of as many texts", () => {
  const compute = () => ({ loss: 1 });
  const own = resolve({ name: 'mine', version: 2, compute });
  expect(own.native).toEqual({ name: 'given' });
  expect(toldLoss(own)).toEqual({ name: 'own', own: 'mine', version: 2 });
  expect(toldLoss(resolve({ compute }))).toEqual({ name: 'own', own: 'own' });
  expect(lossWords(toldLoss(own))).toBe("a loss of one's own, mine");
  for (const set of Object.values(sets)) checkFits(own, set);
  expect(samplerOf(own, sets.classes)).toBe('by-class');
  expect(samplerOf(own, sets.triplets)).toBe('no-duplicates');
  const ragged = data('triplets', [
    ['a', 'b', 'c'],
    ['a', 'b'],
  ]);
  expect(refusal(() => checkFits(own, ragged))).toMatchObject({ code: 'ERR_INVALID_OPTION', row: 1 });
});

test('it is called as a method of its own object', async () => {
  class Mine {
    readonly name = 'mine';
    readonly #factor = 3;
    compute() {
      return { loss: this.#factor };
    }
  }
  const { own } = resolve(new Mine());
  expect(await own!.compute(new Float32Array(1), {} as never)).toEqual({ loss: 3 });
});

test.each<[unknown, RegExp]>([
  [{ compute: 'cosent' }, /loss\.compute must be a function/],
  [{ compute: () => ({ loss: 0 }), version: {} }, /loss\.version must be a text or a number/],
  [{ compute: () => ({ loss: 0 }), scale: 2 }, /A loss of your own has no option "scale"/],
  [{ name: 'sum', losses: [{ compute: () => ({ loss: 0 }), name: 'x' }] }, /loss\.losses\[0\] is a loss of your own/],
  [
    { name: 'matryoshka', matryoshka_dims: [8], loss: { name: 'adaptive-layer', loss: 'mse' } },
    /loss\.loss is adaptive-layer, which goes around other losses/,
  ],
  [{ name: 'adaptive-layer', loss: 'mse', n_layers_per_step: 0 }, /or -1 for all layers/],
  [{ name: 'mse', projection_dim: 1.5 }, /loss\.projection_dim must be a whole number from 1/],
  [{ name: 'softmax', num_labels: 1 }, /loss\.num_labels must be a whole number from 2/],
  ['multiple-negative-ranking', /Did you mean \{ loss: 'multiple-negatives-ranking' \}/],
  ['TripletLoss', /Did you mean \{ loss: 'triplet' \}/],
  ['CachedGISTEmbedLoss', /Did you mean \{ loss: 'gist' \}/],
  [{ name: 'gist', guide: {} }, /loss\.guide is given as teacher/],
  [{ name: 'gist', margin_strategy: 'percent' }, /loss\.margin_strategy must be/],
  ['MNRL', /Did you mean \{ loss: 'multiple-negatives-ranking' \}/],
  ['CosineSimilarityLoss', /Did you mean \{ loss: 'cosine-mse' \}/],
  ['xyz', /There is cosine-mse, cosent/],
  [7, /but is 7/],
  [{ name: 'cosent', scal: 3 }, /The loss cosent has no option "scal"\. Did you mean "scale"/],
  [{ name: 'cosent', scale: 0 }, /loss\.scale must be a number above 0/],
  [{ name: 'logistic', threshold: 2 }, /loss\.threshold must be a number from -1 to 1/],
  [{ name: 'multiple-negatives-ranking', directions: [] }, /loss\.directions must be a list of/],
  [{ name: 'matryoshka', loss: 'mse', matryoshka_dims: [8, 4], matryoshka_weights: [1] }, /as many weights/],
  [{ name: 'sum', losses: [] }, /a list of losses/],
])('%j is refused', (value, message) => {
  expect(refusal(() => resolve(value)).message).toMatch(message);
});

test('each form has a default that fits it, and a loss that does not fit names those that do', () => {
  for (const [form, set] of Object.entries(sets)) {
    expect(fitting(set)).toContain(defaultLoss(set).native.name);
    checkFits(defaultLoss(set), set);
    const other = form === 'classes' ? 'cosent' : 'batch-all-triplet';
    const { message } = refusal(() => checkFits(resolve(other), set));
    expect(message).toMatch(new RegExp(`The loss ${other} needs .*but the data is`));
    for (const name of fitting(set)) expect(message).toContain(name);
  }
  expect(defaultLoss(data('candidates', [['a', 'b', 'c']], [2])).native.name).toBe('margin-mse');
});

test('matryoshka is not around what is for vectors of one length, at any depth, and says what it can be around', () => {
  const refused = (value: unknown, set: TrainingData) => refusal(() => checkFits(resolve(value), set)).message;
  const around = (loss: unknown) => ({ name: 'matryoshka', loss, matryoshka_dims: [8, 4] });
  const message = refused(around('softmax'), sets['labelled-pairs']);
  expect(message).toMatch(
    /^The loss matryoshka cannot be around softmax, whose classifier is for vectors of one length\./,
  );
  expect(message).toMatch(/Losses that it can be around here: .*logistic/);
  expect(message).not.toMatch(/here: .*softmax/);
  expect(refused(around({ name: 'sum', losses: ['cosent', 'softmax'] }), sets['labelled-pairs'])).toContain('softmax');
  const projected = { name: 'mse', projection_dim: 4 };
  expect(refused(around(projected), sets.vectors)).toMatch(/around mse, whose projection \(projection_dim\) is for/);
  expect(refused({ name: 'adaptive-layer', loss: around(projected) }, sets.vectors)).toContain('cannot be around mse');
  // Beside each other they are trained.
  checkFits(resolve({ name: 'sum', losses: ['softmax', around('cosent')] }), sets['labelled-pairs']);
  checkFits(resolve(around('mse')), sets.vectors);
  checkFits(resolve(projected), sets.vectors);
});

test('numbers of texts are part of it', () => {
  const more = data('triplets', [
    ['a', 'b', 'c'],
    ['d', 'e', 'f', 'g'],
  ]);
  expect(refusal(() => checkFits(resolve('triplet'), more)).message).toMatch(/rows of 3 texts, but row 1 has 4/);
  expect(fitting(more)).toEqual(['multiple-negatives-ranking']);
  expect(refusal(() => checkFits(resolve('gist'), sets.triplets)).message).toMatch(/The loss gist needs a guide/);
  const guided = data('triplets', [['a', 'b', 'c']], [1, 0, 0, 1, 1, 1]);
  expect(fitting(guided)).toContain('gist');
  const mixed = data('vectors', [['a'], ['b', 'c']], [1, 2]);
  expect(refusal(() => checkFits(resolve('mse'), mixed)).message).toMatch(/row 0 has 1 and row 1 has 2/);
  const alone = refusal(() => checkFits(resolve('global-orthogonal-regularization'), sets['positive-pairs']));
  expect(alone.message).toMatch(/is an addition/);
});

test('rows from which nothing can be learned are refused', () => {
  const split = { train: Int32Array.of(0, 1), validation: new Int32Array(0) };
  const one = data('classes', [['a'], ['b']], [0, 0]);
  expect(refusal(() => checkRows(one, split, false))).toMatchObject({ code: 'ERR_SINGLE_CLASS' });
  const own = data('classes', [['a'], ['b']], [0, 1]);
  expect(refusal(() => checkRows(own, split, false)).message).toMatch(/a class of its own/);
  const same = data('positive-pairs', [
    ['a', 'a'],
    ['b', 'b'],
  ]);
  expect(refusal(() => checkRows(same, split, false))).toMatchObject({ code: 'ERR_CONSTANT_TEXTS' });
});
