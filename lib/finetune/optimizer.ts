import { checkBoolean, checkChoice, checkNumber, checkOptionNames } from '../system/options';

/**
 * 'notebook': eps 1e-6, no bias correction, no weight decay (transformers' former AdamW as the notebook's job
 * used it). 'torch': the defaults of torch.optim.AdamW: eps 1e-8, bias correction, weight decay 0.01.
 */
export type OptimizerPreset = 'notebook' | 'torch';

/** AdamW's constants. */
export interface AdamWOptions {
  /** Decay of the gradient's running mean, from 0 to below 1. Default 0.9. */
  beta1?: number;
  /** Decay of the squared gradient's running mean, from 0 to below 1. Default 0.999. */
  beta2?: number;
  /** Added to the denominator, from 0. Default 1e-8. */
  eps?: number;
  /** Decoupled weight decay, from 0; biases and layer norms do not decay. Default 0.01. */
  weightDecay?: number;
  /** Whether the running means are corrected for their start at 0. Default true. */
  biasCorrection?: boolean;
}

/** AdamW's constants with every default filled in. */
export type ResolvedAdamW = Required<AdamWOptions>;

const presets: Record<OptimizerPreset, ResolvedAdamW> = {
  notebook: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
  torch: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, biasCorrection: true },
};

export function resolveOptimizer(value: unknown): ResolvedAdamW {
  if (value === undefined) return { ...presets.notebook };
  if (typeof value !== 'object' || value === null) {
    return { ...presets[checkChoice('optimizer', value, ['notebook', 'torch'])] };
  }
  const given = checkOptionNames(value, ['beta1', 'beta2', 'eps', 'weightDecay', 'biasCorrection'], 'optimizer');
  const number = (
    name: 'beta1' | 'beta2' | 'eps' | 'weightDecay',
    expected: string,
    accepts: (n: number) => boolean,
  ) =>
    given[name] === undefined ? presets.torch[name] : checkNumber(`optimizer.${name}`, given[name], expected, accepts);
  const below1 = (n: number) => n >= 0 && n < 1;
  const from0 = (n: number) => n >= 0;
  return {
    beta1: number('beta1', 'a number from 0 to below 1', below1),
    beta2: number('beta2', 'a number from 0 to below 1', below1),
    eps: number('eps', 'a number from 0', from0),
    weightDecay: number('weightDecay', 'a number from 0', from0),
    biasCorrection:
      given.biasCorrection === undefined ? true : checkBoolean('optimizer.biasCorrection', given.biasCorrection),
  };
}
