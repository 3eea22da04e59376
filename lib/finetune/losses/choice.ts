import type { NativeLoss } from '../../engine/training';
import { InvalidArgumentError } from '../../system/errors';
import { choice, custom, flag, numeric, optional, required, resolveTable, text } from '../../system/option-table';
import { invalidOption, nearest, plain, show } from '../../system/options';
import { option, say } from '../../system/wording';
import type { OwnLoss } from '../own-loss';
import { losses, number, type SimpleLoss, type SimpleLossName } from './table';

/** Any loss at several lengths of the vectors, so that they may be cut. */
export interface MatryoshkaLoss {
  /** Always 'matryoshka'. */
  name: 'matryoshka';
  /** The loss that each length is trained with. */
  loss: LossChoice;
  /** Lengths, the model's own among them. */
  matryoshka_dims: readonly number[];
  /** As many weights. Default: 1 each. */
  matryoshka_weights?: readonly number[];
}

/** A loss of a sum, and how much it counts. */
export interface WeightedLoss {
  /** Any but 'adaptive-layer' and a loss of one's own. */
  loss: LossChoice;
  /** What its value and its gradient are multiplied by. */
  weight: number;
}

/** Several losses of the same rows, added up. */
export interface SumLoss {
  /** Always 'sum'. */
  name: 'sum';
  /** One or more; a weight of 1 where none is given. */
  losses: readonly (LossChoice | WeightedLoss)[];
}

/** Any loss at hidden layers too, so that a model may be cut to its first layers. */
export interface AdaptiveLayerLoss {
  /** Always 'adaptive-layer'. */
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
/** What `loss` and `{ name }` may be. */
export type LossName = SimpleLossName | 'matryoshka' | 'adaptive-layer' | 'sum';

/** A loss after checks: what it asks of the data, and what the engine is told. */
export interface ResolvedLoss {
  native: NativeLoss;
  /** Names of the losses that it is made of. */
  parts: readonly SimpleLossName[];
  /** A loss of the caller's own; what `native` says is that it is given. */
  own?: OwnLoss;
}

function numberList(expected: string, accepts: (n: number) => boolean) {
  return custom<readonly number[]>('program', (path, value) => {
    if (Array.isArray(value) && value.length > 0 && value.every((n) => typeof n === 'number' && accepts(n)))
      return [...value] as number[];
    throw invalidOption(path, expected, value);
  });
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

/** Every loss that the option `loss` may name. */
export const lossNames: readonly LossName[] = [
  ...(Object.keys(losses) as SimpleLossName[]),
  'matryoshka',
  'adaptive-layer',
  'sum',
];

const known = (values: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

/** What others call them, without case and punctuation, where no name is near. */
const otherNames: Readonly<Record<string, LossName>> = {
  mnrl: 'multiple-negatives-ranking',
  mnr: 'multiple-negatives-ranking',
  infonce: 'multiple-negatives-ranking',
  ntxent: 'multiple-negatives-ranking',
  cachedmultiplenegativesranking: 'multiple-negatives-ranking',
  gistembed: 'gist',
  cachedgistembed: 'gist',
  cosinesimilarity: 'cosine-mse',
  cosine: 'cosine-mse',
  distillkldivergence: 'distill-kl-div',
};

/** The loss that is meant by a name that is none. */
function meantLoss(name: string): LossName | undefined {
  const bare = name.replace(/[_-]?loss$/i, '');
  return otherNames[plain(bare)] ?? (nearest(bare, lossNames) as LossName | undefined);
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
  if (typeof name !== 'string' || !(lossNames as readonly string[]).includes(name)) {
    const near = typeof name === 'string' ? meantLoss(name) : undefined;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(path)} must be the name of a loss, or an object with its name and options, but is ${show(value)}.`,
      {
        remedy: near === undefined ? say`There is ${lossNames.join(', ')}.` : say`Did you mean ${option(path, near)}?`,
      },
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
