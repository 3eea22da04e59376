import type { Merging } from './engine/addon';
import { checkMergeable } from './model/mergeable';
import type { ModelPreset } from './model/types';
import { fromNative, InvalidArgumentError } from './system/errors';
import { choice, optional, resolveTable, type OptionsOf } from './system/option-table';
import { show } from './system/options';
import { say, words } from './system/wording';
import { ofModel, TextVectorisation } from './text-vectorisation';
import type { LoadedModel } from './text-vectorisation/loaded-model';
import { textVectorisationTable } from './text-vectorisation-options';

export const mergeTable = {
  /**
   * 'linear': the weighted mean of the weights (LM-Cocktail: Xiao et al. 2023). 'spherical': of each parameter the weighted
   * mean of the directions on the sphere and of the lengths; of two models slerp (Shoemake 1985). Default 'linear'.
   */
  method: optional(choice<Merging>('linear', 'spherical'), 'linear', {
    flag: '--method <name>',
    help: 'linear or spherical',
    aliases: ['mergeMethod', 'mode'],
  }),
  ...textVectorisationTable,
};

/** Options of `merge`: how, and those of the models. */
export interface MergeOptions extends OptionsOf<typeof mergeTable> {}

/** Shares of the models, which add up to 1. */
function sharesOf(weights: unknown, models: number): number[] {
  const list: unknown[] = Array.isArray(weights) || ArrayBuffer.isView(weights) ? [...(weights as number[])] : [];
  if (list.length !== models) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `There must be as many weights as models, ${models}, but there ${list.length === 1 ? 'is' : 'are'} ${list.length}.`,
      { remedy: say`Give a weight for each model, as ${words('[0.3, 0.7]', '--weights 0.3,0.7')}.` },
    );
  }
  const numbers = list as number[];
  const sum = numbers.reduce((all, one) => all + one, 0);
  if (numbers.every((one) => typeof one === 'number' && one >= 0 && Number.isFinite(one)) && sum > 0)
    return numbers.map((one) => one / sum);
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `The weight of each model must be a number from 0, and not all may be 0, but they are ${show(list)}.`,
  );
}

/**
 * A model whose weights are between those of several: models that were fine-tuned from one, or that one and what it was
 * tuned to. `weights` are divided by their sum; [0.3, 0.7] of a base and a tuned model keeps most of what was learned, and
 * most of what the base could do. What all models agree in stays to the bit. The first model gives everything but weights.
 *
 * ```ts
 * const between = await merge([models.AllMiniLML6V2, 'my-model'], [0.3, 0.7]);
 * await between.save('my-model-merged');
 * ```
 *
 * @param models at least two: constants of `models`, hub ids, folders, or TextVectorisations, which stay as they are
 * @returns a TextVectorisation of its own, to embed with, save or fine-tune
 * @throws ModelError ERR_MERGE: shapes, modules, vocabulary or tokenizer differ, and which; InvalidArgumentError;
 *   OutOfMemoryError; and what `load` rejects with
 */
export async function merge(
  models: readonly (string | ModelPreset | TextVectorisation)[],
  weights: ArrayLike<number>,
  options?: MergeOptions,
): Promise<TextVectorisation> {
  const { method } = resolveTable(mergeTable, options, { name: 'merge', path: '' });
  if (!Array.isArray(models) || models.length < 2) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      Array.isArray(models)
        ? `There must be at least two models to merge, but there ${models.length === 1 ? 'is 1' : `are ${models.length}`}.`
        : `merge takes a list of at least two models, but was given ${show(models)}.`,
    );
  }
  const shares = sharesOf(weights, models.length);
  const given = (options ?? {}) as MergeOptions;
  const { method: _method, ...constructed } = given;
  const opened = models.map((model) =>
    model instanceof TextVectorisation ? model : new TextVectorisation(model, constructed),
  );
  try {
    const loaded: LoadedModel[] = [];
    for (const model of opened) loaded.push(await ofModel.loaded(model, 'merge'));
    await checkMergeable(loaded.map(({ opened: one }) => one));
    const { addon } = loaded[0]!;
    const handle = await addon
      .mergeModels(
        loaded.map((one) => one.handle),
        shares,
        method,
      )
      .catch((error: unknown) => {
        throw fromNative(error);
      });
    const merged = loaded.map(({ opened: { id } }, i) => ({ id, share: shares[i]! }));
    return ofModel.adopt(loaded[0]!, handle, constructed, { method, models: merged });
  } finally {
    await Promise.all(opened.filter((model, i) => model !== models[i]).map((model) => model.dispose()));
  }
}
