import type { DataForm, TrainingData } from '../data/form';
import { formWords, widths } from '../data/form';
import type { NativeLoss } from '../engine/addon';
import { InvalidArgumentError } from '../system/errors';
import {
  choice,
  custom,
  flag,
  numeric,
  optional,
  required,
  resolveTable,
  text,
  type OptionsOf,
  type OptionTable,
} from '../system/option-table';
import { invalidOption, nearest, plain, show } from '../system/options';
import { nameOf, type OwnLoss } from './own-loss';
import { option, say } from '../system/wording';

/** How rows come together in batches: see order.ts. */
export type Sampler = 'any' | 'no-duplicates' | 'by-class';

interface LossEntry<Table extends OptionTable> {
  /** What people read of it. */
  words: string;
  /** What the rows must be. */
  forms: readonly DataForm[];
  /** Fewest and most texts of a row. */
  texts?: readonly [number, number];
  /** Whether all rows must have as many. */
  even?: true;
  sampler?: Sampler;
  /** Whether it teaches nothing by itself, and stands in a sum beside another. */
  addition?: true;
  /** Its options, under sentence-transformers' names; what is left out is the engine's default, which is theirs. */
  options: Table;
}

const entry = <const Table extends OptionTable>(loss: LossEntry<Table>): LossEntry<Table> => loss;

const number = (least: number, most: number) =>
  numeric(`a number from ${least} to ${most}`, (n) => n >= least && n <= most);
const positive = numeric('a number above 0', (n) => n > 0);
const whole = (least: number) =>
  numeric(`a whole number from ${least}`, (n) => Number.isInteger(n) && n >= least && n <= 1e6);
const similarity = choice('cos_sim', 'dot_score');

function words<const T extends string>(...known: readonly T[]) {
  return custom<readonly T[]>('texts', (path, value) => {
    const valid = Array.isArray(value) && value.length > 0 && value.every((one) => known.includes(one as T));
    if (valid && new Set(value).size === value.length) return [...value] as T[];
    throw invalidOption(path, `a list of ${known.map((one) => `'${one}'`).join(', ')}, each at most once`, value);
  });
}

function numberList(expected: string, accepts: (n: number) => boolean) {
  return custom<readonly number[]>('program', (path, value) => {
    if (Array.isArray(value) && value.length > 0 && value.every((n) => typeof n === 'number' && accepts(n)))
      return [...value] as number[];
    throw invalidOption(path, expected, value);
  });
}

const pairs = ['scored-pairs', 'labelled-pairs'] as const;
const ranking = ['positive-pairs', 'triplets'] as const;

const cosineDistances = optional(choice('cosine', 'euclidean', 'manhattan'), undefined);
const classOptions = {
  /** 'euclidean' or 'cosine'. Default 'euclidean'. */
  distance_metric: optional(choice('euclidean', 'cosine'), undefined),
  /** Default 5. */
  margin: optional(number(0, 1e6), undefined),
};

/**
 * Numbers of the teacher's vectors, where the model's have another length: a matrix and a bias, trained beside the model
 * and gone with the run, bring the model's to it. Default: none, the teacher's are of the model's length.
 */
const projection_dim = optional(whole(1), undefined);

const table = {
  'cosine-mse': entry({
    words: 'mean squared error of the cosine similarity and the score',
    forms: pairs,
    options: {},
  }),
  cosent: entry({
    words: 'CoSENT: pairs in the order of their scores',
    forms: pairs,
    options: {
      /** Multiplies similarities. Default 20. */
      scale: optional(positive, undefined),
      /** Default 'cos_sim'. */
      similarity_fct: optional(similarity, undefined),
    },
  }),
  angle: entry({
    words: 'AnglE: pairs in the order of their scores, by the angle of complex halves',
    forms: pairs,
    options: {
      /** Default 20. */
      scale: optional(positive, undefined),
    },
  }),
  pearson: entry({ words: 'correlation of the cosine similarities and the scores', forms: pairs, options: {} }),
  logistic: entry({
    words: 'logistic regression of the label on the cosine similarity',
    forms: pairs,
    options: {
      /** The cosine above which the model finds two texts the same. */
      threshold: required(number(-1, 1)),
      /** Default 20. */
      scale: optional(positive, undefined),
    },
  }),
  contrastive: entry({
    words: 'contrastive: ones near each other, zeros farther than a margin',
    forms: ['labelled-pairs'],
    options: {
      /** Default 'cosine'. */
      distance_metric: cosineDistances,
      /** Default 0.5. */
      margin: optional(number(0, 1e6), undefined),
      /** Mean over the rows of a batch, not their sum. Default true. */
      size_average: optional(flag, undefined),
    },
  }),
  'online-contrastive': entry({
    words: 'contrastive, of the hard pairs of each batch',
    forms: ['labelled-pairs'],
    options: {
      /** Default 'cosine'. */
      distance_metric: cosineDistances,
      /** Default 0.5. */
      margin: optional(number(0, 1e6), undefined),
    },
  }),
  'multiple-negatives-ranking': entry({
    words: 'multiple negatives ranking: the positive before all other texts of the batch',
    forms: ranking,
    sampler: 'no-duplicates',
    options: {
      /** Multiplies similarities. Default 20. */
      scale: optional(positive, undefined),
      /** Default 'cos_sim'. */
      similarity_fct: optional(similarity, undefined),
      /** What is told apart; 'query_to_doc' must be there. Default ['query_to_doc']. */
      directions: optional(words('query_to_doc', 'query_to_query', 'doc_to_query', 'doc_to_doc'), undefined),
      /** One sum over all directions, or the mean of one for each. Default 'joint'. */
      partition_mode: optional(choice('joint', 'per_direction'), undefined),
      /** Which negatives count the more, the harder they are. Default: none. */
      hardness_mode: optional(choice('in_batch_negatives', 'hard_negatives', 'all_negatives'), undefined),
      /** By how much; needs hardness_mode. */
      hardness_strength: optional(number(0, 1e6), undefined),
    },
  }),
  'mega-batch-margin': entry({
    words: 'margins to the positive and to the closest other text of the batch',
    forms: ['positive-pairs'],
    texts: [2, 2],
    sampler: 'no-duplicates',
    options: {
      /** Default 0.8. */
      positive_margin: optional(number(-1, 1), undefined),
      /** Default 0.3. */
      negative_margin: optional(number(-1, 1), undefined),
    },
  }),
  triplet: entry({
    words: 'triplet: the positive nearer than the negative by a margin',
    forms: ['triplets'],
    texts: [3, 3],
    options: {
      /** Default 'euclidean'. */
      distance_metric: optional(choice('euclidean', 'cosine', 'manhattan'), undefined),
      /** Default 5. */
      triplet_margin: optional(number(0, 1e6), undefined),
    },
  }),
  'batch-all-triplet': entry({
    words: 'all triplets of classes in a batch',
    forms: ['classes'],
    sampler: 'by-class',
    options: classOptions,
  }),
  'batch-hard-triplet': entry({
    words: 'the hardest triplet of each text in a batch of classes',
    forms: ['classes'],
    sampler: 'by-class',
    options: classOptions,
  }),
  'batch-hard-soft-margin-triplet': entry({
    words: 'the hardest triplet of each text in a batch of classes, without a margin',
    forms: ['classes'],
    sampler: 'by-class',
    options: { distance_metric: classOptions.distance_metric },
  }),
  'batch-semi-hard-triplet': entry({
    words: 'triplets of classes whose negative is just farther than the positive',
    forms: ['classes'],
    sampler: 'by-class',
    options: classOptions,
  }),
  softmax: entry({
    words: 'a classifier of two texts and their difference, trained beside the model',
    forms: ['labelled-pairs'],
    options: {
      /** The two vectors are among what the classifier sees. Default true. */
      concatenation_sent_rep: optional(flag, undefined),
      /** Their difference, without its sign. Default true. */
      concatenation_sent_difference: optional(flag, undefined),
      /** Their product, number by number. Default false. */
      concatenation_sent_multiplication: optional(flag, undefined),
      /** Classes. Default: one more than the largest of the data. */
      num_labels: optional(whole(2), undefined),
    },
  }),
  mse: entry({
    words: "mean squared error to a teacher's vectors",
    forms: ['vectors'],
    even: true,
    options: { projection_dim },
  }),
  'embed-distill': entry({
    words: "distance to a teacher's vectors",
    forms: ['vectors'],
    even: true,
    options: {
      /** Default 'cosine'. */
      distance_metric: optional(choice('cosine', 'l2', 'mse'), undefined),
      projection_dim,
    },
  }),
  'margin-mse': entry({
    words: "mean squared error to a teacher's margins",
    forms: ['candidates'],
    texts: [3, Infinity],
    even: true,
    options: {
      /** Default 'dot_score'. */
      similarity_fct: optional(similarity, undefined),
    },
  }),
  'distill-kl-div': entry({
    words: "divergence from a teacher's distribution over candidates",
    forms: ['candidates'],
    texts: [3, Infinity],
    even: true,
    options: {
      /** Default 'dot_score'. */
      similarity_fct: optional(similarity, undefined),
      /** Of both. Default 1. */
      temperature: optional(positive, undefined),
      /** Default: `temperature`. */
      student_temperature: optional(positive, undefined),
      /** Default: `temperature`. */
      teacher_temperature: optional(positive, undefined),
    },
  }),
  'global-orthogonal-regularization': entry({
    words: 'vectors spread over all directions',
    forms: Object.keys(formWords) as DataForm[],
    even: true,
    addition: true,
    options: {
      /** Default 1. */
      mean_weight: optional(number(0, 1e6), undefined),
      /** Default 1. */
      second_moment_weight: optional(number(0, 1e6), undefined),
      /** Over the columns. Default 'mean'. */
      aggregation: optional(choice('mean', 'sum'), undefined),
    },
  }),
};

/** A loss of one formula, by its name. */
export type SimpleLossName = keyof typeof table;

/** A loss of one formula with its options, under sentence-transformers' names. */
export type SimpleLoss = {
  [Name in SimpleLossName]: { name: Name } & OptionsOf<(typeof table)[Name]['options']>;
}[SimpleLossName];

/** Any loss at several lengths of the vectors, so that they may be cut. */
export interface MatryoshkaLoss {
  name: 'matryoshka';
  /** The loss that each length is trained with. */
  loss: LossChoice;
  /** Lengths, the model's own among them. */
  matryoshka_dims: readonly number[];
  /** As many weights. Default: 1 each. */
  matryoshka_weights?: readonly number[];
}

/** Several losses of the same rows, added up. */
export interface SumLoss {
  name: 'sum';
  /** A weight of 1 where none is given. */
  losses: readonly (LossChoice | { loss: LossChoice; weight: number })[];
}

/** Any loss at hidden layers too, so that a model may be cut to its first layers. */
export interface AdaptiveLayerLoss {
  name: 'adaptive-layer';
  /** The loss that each layer is trained with. */
  loss: LossChoice;
  /** Hidden layers of a step, drawn by the run's seed and the step; -1 for all. Default 1. */
  n_layers_per_step?: number;
  /** Of the last layer's loss. Default 1. */
  last_layer_weight?: number;
  /** Of the mean of the hidden layers' losses. Default 1. */
  prior_layers_weight?: number;
  /** Of the divergence of each hidden layer's vectors from the last one's. Default 1. */
  kl_div_weight?: number;
  /** Of that divergence; 0 leaves it out. Default 0.3. */
  kl_temperature?: number;
  /** Of layer i, 0 being the embedding layer: 1, 1 / (1 + ln(1 + i)) or 1 / (1 + i). Default 'uniform'. */
  layer_weighting?: 'uniform' | 'log' | 'linear';
}

/** What is trained: a name, or an object with a name and options, or a loss of one's own. */
export type LossChoice = SimpleLossName | SimpleLoss | MatryoshkaLoss | AdaptiveLayerLoss | SumLoss;
export type LossName = SimpleLossName | 'matryoshka' | 'adaptive-layer' | 'sum';

/** Every loss of one formula by its name; the engine has each under the same name. */
export const losses: Readonly<Record<SimpleLossName, LossEntry<OptionTable>>> = table;

/** A loss after checks: what it asks of the data, and what the engine is told. */
export interface ResolvedLoss {
  native: NativeLoss;
  /** Names of the losses that it is made of. */
  parts: readonly SimpleLossName[];
  /** A loss of the caller's own; what `native` says is that it is given. */
  own?: OwnLoss;
}

/** A loss that another one is around. */
function resolveInner(path: string, value: unknown): ResolvedLoss {
  const resolved = resolveLoss(path, value);
  if (resolved.own === undefined && resolved.native.name !== 'adaptive-layer') return resolved;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    resolved.own === undefined
      ? say`${option(path)} is adaptive-layer, which goes around other losses, and none goes around it.`
      : say`${option(path)} is a loss of your own, which stands alone.`,
  );
}

const adaptiveTable = {
  loss: required(custom<LossChoice, ResolvedLoss>('program', resolveInner)),
  n_layers_per_step: optional(
    numeric('a whole number from 1, or -1 for all layers', (n) => Number.isInteger(n) && (n === -1 || n >= 1)),
    undefined,
  ),
  last_layer_weight: optional(number(0, 1e6), undefined),
  prior_layers_weight: optional(number(0, 1e6), undefined),
  kl_div_weight: optional(number(0, 1e6), undefined),
  kl_temperature: optional(number(0, 1e6), undefined),
  layer_weighting: optional(choice('uniform', 'log', 'linear'), undefined),
};

const ownTable = {
  name: optional(text(), undefined),
  version: optional(
    custom<string | number>('program', (path, value) => {
      if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
      throw invalidOption(path, 'a text or a number', value);
    }),
    undefined,
  ),
  compute: required(
    custom<OwnLoss['compute']>('program', (path, value) => {
      if (typeof value === 'function') return value as OwnLoss['compute'];
      throw invalidOption(path, 'a function', value);
    }),
  ),
  checkGradient: optional(flag, undefined),
};

const matryoshkaTable = {
  loss: required(custom<LossChoice, ResolvedLoss>('program', resolveInner)),
  matryoshka_dims: required(numberList('a list of whole numbers from 1', (n) => Number.isInteger(n) && n >= 1)),
  matryoshka_weights: optional(
    numberList('a list of numbers from 0', (n) => n >= 0),
    undefined,
  ),
};

type Part = { loss: ResolvedLoss; weight: number };
const sumTable = {
  losses: required(
    custom<SumLoss['losses'], Part[]>('program', (path, value) => {
      if (!Array.isArray(value) || value.length === 0) throw invalidOption(path, 'a list of losses', value);
      return value.map((one: unknown, i) => {
        const at = `${path}[${i}]`;
        if (typeof one !== 'object' || one === null || 'name' in one) return { loss: resolveInner(at, one), weight: 1 };
        const weighted = {
          loss: required(custom<LossChoice, ResolvedLoss>('program', resolveInner)),
          weight: required(number(0, 1e6)),
        };
        return resolveTable(weighted, one, { name: say`${option(at)}`, path: at });
      });
    }),
  ),
};

const names: readonly LossName[] = [...(Object.keys(table) as SimpleLossName[]), 'matryoshka', 'adaptive-layer', 'sum'];

const known = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** What others call them, without case and punctuation, where no name is near. */
const otherNames: Readonly<Record<string, LossName>> = {
  mnrl: 'multiple-negatives-ranking',
  mnr: 'multiple-negatives-ranking',
  infonce: 'multiple-negatives-ranking',
  ntxent: 'multiple-negatives-ranking',
  cachedmultiplenegativesranking: 'multiple-negatives-ranking',
  cosinesimilarity: 'cosine-mse',
  cosine: 'cosine-mse',
  distillkldivergence: 'distill-kl-div',
};

/** The loss that is meant by a name that is none. */
function meantLoss(name: string): LossName | undefined {
  const bare = name.replace(/[_-]?loss$/i, '');
  return otherNames[plain(bare)] ?? (nearest(bare, names) as LossName | undefined);
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION, ERR_UNKNOWN_OPTION: names the near miss */
export function resolveLoss(path: string, value: unknown): ResolvedLoss {
  const object = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : { name: value };
  const { name, ...given } = object;
  if ('compute' in object) {
    // Called as the caller's own method.
    const own = resolveTable(ownTable, object, { name: say`A loss of your own`, path });
    const compute: OwnLoss['compute'] = (vectors, batch) => own.compute.call(value, vectors, batch);
    return { native: { name: 'given' }, parts: [], own: { ...(known(own) as typeof own), compute } as OwnLoss };
  }
  if (typeof name !== 'string' || !(names as readonly string[]).includes(name)) {
    const near = typeof name === 'string' ? meantLoss(name) : undefined;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(path)} must be the name of a loss, or an object with its name and options, but is ${show(value)}.`,
      { remedy: near === undefined ? say`There is ${names.join(', ')}.` : say`Did you mean ${option(path, near)}?` },
    );
  }
  const owner = { name: say`The loss ${name}`, path };
  if (name === 'matryoshka') {
    const { loss, ...options } = resolveTable(matryoshkaTable, given, owner);
    const { matryoshka_dims: dims, matryoshka_weights: weights } = options;
    if (weights !== undefined && weights.length !== dims.length)
      throw invalidOption(`${path}.matryoshka_weights`, `as many weights as matryoshka_dims, ${dims.length}`, weights);
    return { native: { name, loss: loss.native, ...known(options) }, parts: loss.parts };
  }
  if (name === 'adaptive-layer') {
    const { loss, ...options } = resolveTable(adaptiveTable, given, owner);
    return { native: { name, loss: loss.native, ...known(options) }, parts: loss.parts };
  }
  if (name === 'sum') {
    const { losses: parts } = resolveTable(sumTable, given, owner);
    return {
      native: { name, losses: parts.map(({ loss, weight }) => ({ ...loss.native, weight })) },
      parts: parts.flatMap(({ loss }) => loss.parts),
    };
  }
  const options = known(resolveTable(losses[name as SimpleLossName].options, given, owner));
  return { native: { name, ...options }, parts: [name as SimpleLossName] };
}

/** What versions trained that had this loss alone, and did not write it into their checkpoints. */
export const firstLoss: NativeLoss = { name: 'cosine-mse' };

/** What is trained where the option `loss` does not say it. */
export function defaultLoss(data: Pick<TrainingData, 'form' | 'rows' | 'labelWidth'>): ResolvedLoss {
  const one = (name: SimpleLossName): ResolvedLoss => ({ native: { name }, parts: [name] });
  switch (data.form) {
    case 'scored-pairs':
    case 'labelled-pairs':
      return one('cosine-mse');
    case 'positive-pairs':
    case 'triplets':
      return one('multiple-negatives-ranking');
    case 'classes':
      return one('batch-all-triplet');
    case 'vectors':
      return one('mse');
    case 'candidates':
      return one(data.labelWidth === widths(data.rows).most - 1 ? 'distill-kl-div' : 'margin-mse');
  }
}

/** Why a loss cannot train on the data; undefined where it can. */
function misfit(name: SimpleLossName, { form, rows, labelWidth }: TrainingData): string | undefined {
  const { forms, texts, even } = losses[name];
  const needs = forms.map((one) => formWords[one]).join(' or ');
  if (!forms.includes(form)) return `needs ${needs}, but the data is ${formWords[form]}`;
  if (texts === undefined && even === undefined) return undefined;
  const [least, most] = texts ?? [1, Infinity];
  const wrong = rows.findIndex(({ length }) => length < least || length > most);
  const range = least === most ? `${least}` : `at least ${least}`;
  if (wrong >= 0) return `needs rows of ${range} texts, but row ${wrong} has ${rows[wrong]!.length}`;
  const other = even === undefined ? -1 : rows.findIndex(({ length }) => length !== rows[0]!.length);
  if (other >= 0)
    return `needs rows of as many texts each, but row 0 has ${rows[0]!.length} and row ${other} has ${rows[other]!.length}`;
  if (name === 'distill-kl-div' && labelWidth !== rows[0]!.length - 1)
    return 'needs a score of each candidate, but there are margins';
  return undefined;
}

/** Names of the losses that train on such data. */
export function fitting(data: TrainingData): SimpleLossName[] {
  return (Object.keys(table) as SimpleLossName[]).filter(
    (name) => losses[name].addition === undefined && misfit(name, data) === undefined,
  );
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: the loss does not train on such rows; names those that do */
export function checkFits(loss: ResolvedLoss, data: TrainingData): void {
  if (loss.own !== undefined) {
    const other = data.rows.findIndex(({ length }) => length !== data.rows[0]!.length);
    if (other < 0) return;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`A loss of your own needs rows of as many texts each, but row 0 has ${data.rows[0]!.length} and row ${other} has ${data.rows[other]!.length}.`,
      { row: other },
    );
  }
  if (loss.parts.every((name) => losses[name].addition)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`The loss ${loss.parts[0]!} is an addition to another one: make a sum of both.`,
      { remedy: say`Losses that fit: ${fitting(data).join(', ')}.` },
    );
  }
  for (const name of loss.parts) {
    const reason = misfit(name, data);
    if (reason === undefined) continue;
    const others = fitting(data);
    throw new InvalidArgumentError('ERR_INVALID_OPTION', say`The loss ${name} ${reason}.`, {
      remedy: say`Losses that fit: ${others.join(', ')}; give one as ${option('loss', others[0])}.`,
    });
  }
}

/** How batches are put together for a loss; for one of the caller's own as for the data's usual one. */
export function samplerOf(loss: ResolvedLoss, data: Pick<TrainingData, 'form' | 'rows' | 'labelWidth'>): Sampler {
  const { parts } = loss.own === undefined ? loss : defaultLoss(data);
  const wanted = parts.map((name) => losses[name].sampler ?? 'any');
  return wanted.find((sampler) => sampler !== 'any') ?? 'any';
}

/** A loss as events, the report and checkpoints have it. */
export function toldLoss({ native, own }: ResolvedLoss): NativeLoss {
  if (own === undefined) return native;
  return { name: 'own', own: nameOf(own), ...(own.version !== undefined && { version: own.version }) };
}

/** What people read of a loss, as `toldLoss` has it. */
export function lossWords({ name, ...options }: NativeLoss): string {
  if (name === 'own') return `a loss of one's own, ${options.own as string}`;
  const of = (part: unknown): string => lossWords(part as NativeLoss);
  if (name === 'matryoshka')
    return `${of(options.loss)}, of vectors cut to ${(options.matryoshka_dims as readonly number[]).join(', ')} numbers`;
  if (name === 'adaptive-layer') return `${of(options.loss)}, of hidden layers too`;
  if (name === 'sum') return (options.losses as readonly unknown[]).map(of).join(' + ');
  return losses[name as SimpleLossName].words;
}
