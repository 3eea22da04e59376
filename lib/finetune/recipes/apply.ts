import type { TrainingData } from '../../data/form';
import { resolveLoss } from '../losses/choice';
import { samplerOf } from '../losses/fit';
import type { ResolvedOptions } from '../resolved-options';
import type { Recipe } from './recipe';
import { recipeFor } from './recipes';
import type { RunSettings, SetSettings } from './settings';

/** Fills in what the options leave to the recipe. */
export function applyRecipe(
  options: ResolvedOptions,
  data: TrainingData,
  trainingRows: number,
  validates: boolean,
): SetSettings {
  const recipe = recipeFor(options.recipe, { data, trainingRows });
  const loss = options.loss ?? resolveLoss('loss', recipe.loss);
  return {
    recipe: recipe.name,
    loss,
    sampler: options.sampler ?? recipe.sampler ?? samplerOf(loss, data),
    effectiveBatchSize: batchOf(options, recipe),
    learningRate: options.learningRate ?? recipe.learningRate,
    schedule: options.schedule ?? recipe.schedule,
    warmup: options.warmup ?? recipe.warmup,
    optimizer: options.optimizer ?? recipe.optimizer,
    maxGradientNorm: options.maxGradientNorm === undefined ? recipe.maxGradientNorm : options.maxGradientNorm,
    epochs: options.epochs ?? recipe.epochs,
    earlyStopping: stoppingOf(options, recipe, validates),
    merge: options.merge ?? sharesOf(options, recipe, validates),
    measure: options.measure ?? recipe.measure,
    folds: foldsOf(options, recipe, validates),
  };
}

function sharesOf({ keep }: ResolvedOptions, { merge }: Recipe, validates: boolean): readonly number[] {
  if (keep === null) return validates ? merge.shares : [merge.unmeasured];
  // Without validation rows the largest is taken that keeps what must be kept.
  return validates ? merge.keeping : [merge.unmeasured, ...merge.keeping.filter((share) => share < merge.unmeasured)];
}

/** A loss has no interval by which a gain shows. */
function foldsOf({ folds, measure }: ResolvedOptions, recipe: Recipe, validates: boolean): number {
  if (!validates) return 1;
  return folds ?? ((measure ?? recipe.measure) === 'loss' ? 1 : recipe.folds);
}

/** Rows computed at once are no more than those of a step. */
function batchOf({ effectiveBatchSize, batchSize }: ResolvedOptions, recipe: Recipe): number | null {
  if (effectiveBatchSize !== null) return effectiveBatchSize;
  const own = recipe.effectiveBatchSize;
  return own !== null && batchSize !== 'auto' && batchSize > own ? batchSize : own;
}

/** A rate that falls to 0 at the last epoch's end is best at that end: such recipes stop early only where it is asked for. */
function stoppingOf(
  { earlyStopping }: ResolvedOptions,
  { patience }: Recipe,
  validates: boolean,
): RunSettings['earlyStopping'] {
  if (earlyStopping === false || !validates) return null;
  if (earlyStopping !== null) return earlyStopping;
  return patience === null ? null : { patience, minDelta: 0 };
}
