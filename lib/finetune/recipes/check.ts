import { formWords, type TrainingData } from '../../data/form';
import { InvalidArgumentError } from '../../system/errors';
import { show } from '../../system/options';
import { option, say } from '../../system/wording';
import { resolveLoss, type ResolvedLoss } from '../losses/choice';
import { fits } from '../losses/fit';
import { measuresOf, type MeasureName } from '../measure';
import type { RecipeName } from './recipe';
import { recipeFor, recipes } from './recipes';

/**
 * Refuses a recipe that is named and is not for such rows, in the words of what was asked for: its own loss or measure, which
 * nobody gave, would be refused else. `asked` are the options that stand in for parts of it.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION
 */
export function checkRecipe(
  name: RecipeName | 'auto',
  asked: { loss: ResolvedLoss | null; measure: MeasureName | null },
  data: TrainingData,
  trainingRows: number,
): void {
  if (name === 'auto') return;
  const { forms } = recipes[name];
  if (forms.length === 0 || forms.includes(data.form)) return;
  const { loss, measure } = recipeFor(name, { data, trainingRows });
  const trains = asked.loss !== null || fits(resolveLoss('loss', loss), data);
  const measured = asked.measure !== null || measuresOf(data.form).includes(measure);
  if (trains && measured) return;
  const other = recipeFor('auto', { data, trainingRows }).name;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('recipe')} is ${show(name)}, which is for ${forms.map((form) => formWords[form]).join(' or ')}, but the data is ${formWords[data.form]}.`,
    { remedy: say`Leave it out, or give ${option('recipe', other)}.` },
  );
}
