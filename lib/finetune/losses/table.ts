import { formWords, type DataForm } from '../../data/form';
import { choice, custom, flag, numeric, optional, type OptionsOf, type OptionTable } from '../../system/option-table';
import { InvalidArgumentError } from '../../system/errors';
import { invalidOption } from '../../system/options';
import { option, say } from '../../system/wording';

/** How rows come together in batches: see order.ts. */
export const samplers = ['any', 'no-duplicates', 'by-class'] as const;
/** How rows come together in batches: 'any' as they come, 'no-duplicates' no text twice, 'by-class' several of each class. */
export type Sampler = (typeof samplers)[number];

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
  /** Whether its labels are a guide's vectors of the row's texts, which the option `teacher` gives. */
  guided?: true;
  /** Whether it teaches nothing by itself, and stands in a sum beside another. */
  addition?: true;
  /** Its options, under sentence-transformers' names; what is left out is the engine's default, which is theirs. */
  options: Table;
}

const entry = <const Table extends OptionTable>(loss: LossEntry<Table>): LossEntry<Table> => loss;

/** A number between two bounds. */
export const number = (least: number, most: number) =>
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
      /**
       * The cosine above which the model finds two texts the same. Default: fitted, where this loss of up to 1,000 training
       * rows is least for the model as it is before training.
       */
      threshold: optional(number(-1, 1), undefined),
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
  gist: entry({
    words: 'multiple negatives ranking without what a guide finds closer than the positive',
    forms: ranking,
    even: true,
    sampler: 'no-duplicates',
    guided: true,
    options: {
      /** Divides cosines. Default 0.01. */
      temperature: optional(positive, undefined),
      /** What `margin` is taken from: the guide's cosine of anchor and positive, or a share of it. Default 'absolute'. */
      margin_strategy: optional(choice('absolute', 'relative'), undefined),
      /** A text is left out where the guide finds it closer than the positive less so much. Default 0. */
      margin: optional(number(0, 2), undefined),
      /** Anchors are told apart from each other too. Default true. */
      contrast_anchors: optional(flag, undefined),
      /** And positives. Default true. */
      contrast_positives: optional(flag, undefined),
      /** sentence-transformers' place of the guide, which here is the option `teacher`. */
      guide: optional(
        custom<never>('program', (path) => {
          throw new InvalidArgumentError('ERR_INVALID_OPTION', say`${option(path)} is given as ${option('teacher')}.`);
        }),
        undefined,
      ),
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
    forms: ['labelled-pairs', 'classified-pairs'],
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
  [Name in SimpleLossName]: {
    /** Its name. */
    name: Name;
  } & OptionsOf<(typeof table)[Name]['options']>;
}[SimpleLossName];

/** Every loss of one formula by its name; the engine has each under the same name. */
export const losses: Readonly<Record<SimpleLossName, LossEntry<OptionTable>>> = table;
