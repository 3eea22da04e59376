import { classes } from './classes';
import { labels } from './labels';
import { notebook } from './notebook';
import { pairClasses } from './pair-classes';
import { positives } from './positives';
import type { Recipe, RecipeEntry, RecipeFacts, RecipeName } from './recipe';
import { scores } from './scores';
import { teacher } from './teacher';

/** Every recipe by its name. */
export const recipes: Readonly<Record<RecipeName, RecipeEntry>> = {
  notebook,
  labels,
  scores,
  positives,
  classes,
  'pair-classes': pairClasses,
  teacher,
};

/** The recipe of a name, or with 'auto' that of the data's form, for as many rows as there are. */
export function recipeFor(wanted: RecipeName | 'auto', facts: RecipeFacts): Recipe {
  const names = Object.keys(recipes) as RecipeName[];
  const name = wanted === 'auto' ? names.find((one) => recipes[one].forms.includes(facts.data.form))! : wanted;
  return { name, ...recipes[name].of(facts) };
}
