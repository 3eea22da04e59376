import { formWords, type TrainingData } from '../data/form';
import type { ChosenDevice } from '../engine/devices';
import { InvalidArgumentError } from '../system/errors';
import { nearest } from '../system/options';
import { option, say } from '../system/wording';
import { frozenNames } from './frozen-names';
import { whyUndefined } from './defined-measure';
import { measures, measuresOf, type MeasureName } from './measure';
import type { ResolvedLoss } from './losses/choice';
import type { ResolvedOptions } from './resolved-options';
import type { TrainableModel } from './trainable-model';

/**
 * Names to freeze, of ranges each name.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION: one is neither a parameter nor a module, or they are all there is
 */
export function checkedFreeze(given: readonly string[], model: TrainableModel): string[] {
  if (given.length === 0) return [];
  const parameters = model.addon.parameters(model.handle).map(({ name }) => name);
  const freeze = frozenNames(given, parameters, model.id);
  const covers = (frozen: string, name: string) => name === frozen || name.startsWith(`${frozen}.`);
  for (const frozen of freeze) {
    if (parameters.some((name) => covers(frozen, name))) continue;
    const modules = parameters.flatMap((name) => name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.')));
    const meant = nearest(frozen, [...new Set(modules)]);
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('freeze')} names "${frozen}", but ${model.id} has no such parameter or module.`,
      {
        remedy:
          meant === undefined
            ? say`Its parameters are ${parameters.slice(0, 3).join(', ')} and ${parameters.length - 3} more.`
            : say`Did you mean "${meant}"?`,
      },
    );
  }
  if (parameters.every((name) => freeze.some((frozen) => covers(frozen, name)))) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('freeze')} covers all ${parameters.length} parameters of ${model.id}; there is nothing left to train.`,
    );
  }
  return freeze;
}

/**
 * A table of words has nothing that could be dropped, and no hidden layers.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION
 */
export function checkWithoutLayers(
  { dropout }: Pick<ResolvedOptions, 'dropout'>,
  sets: readonly { loss: ResolvedLoss | null }[],
  id: string,
): void {
  if (dropout !== null && dropout > 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('dropout')} is ${dropout}, but ${id} is a table of words and has no dropout.`,
      { remedy: say`Leave it out.` },
    );
  }
  if (sets.some(({ loss }) => loss?.native.name === 'adaptive-layer')) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('loss')} is adaptive-layer, but ${id} is a table of words and has no layers.`,
      { remedy: say`Give the loss that it goes around.` },
    );
  }
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a measure that rows of this form do not have */
export function checkMeasure(measure: MeasureName, { form }: TrainingData): void {
  const known = measuresOf(form);
  if (known.includes(measure)) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('measure')} is ${measures[measure].words}, but the data is ${formWords[form]}.`,
    { remedy: say`There is ${known.join(', ')}.` },
  );
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a measure that these rows cannot have, whatever the model is */
export function checkDefined(measure: MeasureName, data: TrainingData): void {
  const reason = whyUndefined(measure, data);
  if (reason === undefined) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('measure')} is ${measures[measure].words}, which these rows do not have: ${reason}.`,
    { remedy: say`Leave it out, or give ${option('measure', 'loss')}.` },
  );
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a measure, and nothing is measured */
export function checkValidates(
  measure: MeasureName | null,
  { validationSplit }: Pick<ResolvedOptions, 'validationSplit'>,
): void {
  if (measure === null || validationSplit > 0) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('measure')} is of validation rows, but ${option('validationSplit')} is 0.`,
    { remedy: say`Leave ${option('measure')} out, or give a ${option('validationSplit')} above 0.` },
  );
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: a limit of the processor's memory for a GPU */
export function checkLimit(memoryLimit: number | null, chosen: ChosenDevice): void {
  if (memoryLimit === null || !onGpu(chosen)) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('memoryLimit')} bounds the processor's memory, but ${chosen.device} is used.`,
    { remedy: say`Use ${option('memoryFraction')}, a share of the GPU's memory, or ${option('device', 'cpu')}.` },
  );
}

/** Whether a GPU computes, whose memory is its allocator's to bound. */
export function onGpu({ device }: ChosenDevice): boolean {
  return device.startsWith('cuda');
}
