import { choice, custom, flag, numeric, optional, resolveTable, type OptionsOf } from '../system/option-table';
import { option, say } from '../system/wording';

/**
 * 'notebook': eps 1e-6, no bias correction, no weight decay (transformers' former AdamW as the notebook's job
 * used it). 'torch': the defaults of torch.optim.AdamW: eps 1e-8, bias correction, weight decay 0.01.
 */
export type OptimizerPreset = 'notebook' | 'torch';

const below1 = numeric('a number from 0 to below 1', (n) => n >= 0 && n < 1);
const from0 = numeric('a number from 0', (n) => n >= 0);

const adamWTable = {
  /** Decay of the gradient's running mean, from 0 to below 1. Default 0.9. */
  beta1: optional(below1, 0.9, { aliases: ['adamBeta1'] }),
  /** Decay of the squared gradient's running mean, from 0 to below 1. Default 0.999. */
  beta2: optional(below1, 0.999, { aliases: ['adamBeta2'] }),
  /** Added to the denominator, from 0. Default 1e-8. */
  eps: optional(from0, 1e-8, { aliases: ['adamEpsilon', 'epsilon'] }),
  /** Decoupled weight decay, from 0; biases and layer norms do not decay. Default 0.01. */
  weightDecay: optional(from0, 0.01, { aliases: ['decay', 'wd'] }),
  /** Whether the running means are corrected for their start at 0. Default true. */
  biasCorrection: optional(flag, true, { aliases: ['correctBias'] }),
};

/** AdamW's constants. */
export interface AdamWOptions extends OptionsOf<typeof adamWTable> {}

/** AdamW's constants with every default filled in. */
export type ResolvedAdamW = Required<AdamWOptions>;

export const optimizerPresets: Readonly<Record<OptimizerPreset, Readonly<ResolvedAdamW>>> = {
  notebook: { beta1: 0.9, beta2: 0.999, eps: 1e-6, weightDecay: 0, biasCorrection: false },
  torch: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, biasCorrection: true },
};

const preset = choice('notebook', 'torch');

/** A preset, or constants of one's own. */
export const adamW = custom<OptimizerPreset | AdamWOptions, Readonly<ResolvedAdamW>>(
  'text',
  (path, value) => {
    if (typeof value !== 'object' || value === null) return optimizerPresets[preset.check(path, value)];
    const constants = resolveTable(adamWTable, value, {
      name: say`${option(path)}`,
      path,
      misnomers: { betas: say`Did you mean beta1 and beta2?`, lr: say`Did you mean learningRate, beside optimizer?` },
    });
    return constants;
  },
  adamWTable,
);
