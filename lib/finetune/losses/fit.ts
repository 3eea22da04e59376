import { formWords, widths, type TrainingData } from '../../data/form';
import type { NativeLoss } from '../../engine/training';
import { InvalidArgumentError } from '../../system/errors';
import { show } from '../../system/options';
import { option, say, type Wording } from '../../system/wording';
import type { ResolvedLoss } from './choice';
import { losses, type Sampler, type SimpleLossName } from './table';
import { within } from './within';

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
    case 'classified-pairs':
      return one('softmax');
    case 'classes':
      return one('batch-all-triplet');
    case 'vectors':
      return one('mse');
    case 'candidates':
      return one(data.labelWidth === widths(data.rows).most - 1 ? 'distill-kl-div' : 'margin-mse');
  }
}

/** Why a loss cannot train on the data; undefined where it can. */
function misfit(name: SimpleLossName, { form, rows, labelWidth }: TrainingData): string | Wording | undefined {
  const { forms, texts, even, guided } = losses[name];
  const needs = forms.map((one) => formWords[one]).join(' or ');
  if (!forms.includes(form)) return `needs ${needs}, but the data is ${formWords[form]}`;
  if (guided && labelWidth === 0)
    return say`needs a guide: give a model or a file of its vectors as ${option('teacher')}`;
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
  return (Object.keys(losses) as SimpleLossName[]).filter(
    (name) => losses[name].addition === undefined && misfit(name, data) === undefined,
  );
}

/** Whether a loss trains on the data. */
export function fits(loss: ResolvedLoss, data: TrainingData): boolean {
  return loss.parts.every((name) => misfit(name, data) === undefined);
}

/** Every loss that is inside of a matryoshka, at any depth. */
function withinMatryoshka(loss: NativeLoss, inside = false): NativeLoss[] {
  return [
    ...(inside ? [loss] : []),
    ...within(loss).flatMap((one) => withinMatryoshka(one, inside || loss.name === 'matryoshka')),
  ];
}

/** Whether a loss has parameters of its own, trained beside the model. */
const hasParameters = ({ name, projection_dim }: NativeLoss): boolean =>
  name === 'softmax' || projection_dim !== undefined;

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
  const ownParameters = withinMatryoshka(loss.native).find(hasParameters);
  if (ownParameters !== undefined) {
    const others = fitting(data).filter((name) => !hasParameters({ name }));
    const what = ownParameters.name === 'softmax' ? 'classifier' : `projection (projection_dim)`;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`The loss matryoshka cannot be around ${ownParameters.name}, whose ${what} is for vectors of one length.`,
      {
        remedy:
          others.length === 0 ? say`Train it alone.` : say`Losses that it can be around here: ${others.join(', ')}.`,
      },
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

/** Whether a label of two texts is one of several classes for a loss, or for a recipe that says the loss. */
export function wantsPairClasses({ loss, recipe }: { loss: ResolvedLoss | null; recipe: string }): boolean {
  if (loss === null) return recipe === 'pair-classes';
  return loss.parts.some((name) => losses[name].forms.includes('classified-pairs') && !losses[name].addition);
}

/** What a sampler other than the loss's own costs; undefined where it is the loss's own, or costs nothing. */
export function samplerNote(sampler: Sampler, loss: ResolvedLoss, data: TrainingData): string | undefined {
  const usual = samplerOf(loss, data);
  if (sampler === usual || usual === 'any') return undefined;
  return usual === 'no-duplicates'
    ? `Rows of a batch may share a text (sampler ${sampler}), which the loss then takes for a negative of what it belongs to.`
    : `Texts of a class may not meet in a batch (sampler ${sampler}), and the loss learns from those that do.`;
}

/** @throws InvalidArgumentError ERR_INVALID_OPTION: there is nothing that the sampler goes by */
export function checkBatches(sampler: Sampler, { form }: Pick<TrainingData, 'form'>): void {
  if (sampler !== 'by-class' || form === 'classes') return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('sampler')} is ${show(sampler)}, which needs texts with a class, but the data is ${formWords[form]}.`,
    { remedy: say`Leave it out, or give ${option('sampler', 'any')} or ${option('sampler', 'no-duplicates')}.` },
  );
}

/** How batches are put together for a loss; for one of the caller's own as for the data's usual one. */
export function samplerOf(loss: ResolvedLoss, data: Pick<TrainingData, 'form' | 'rows' | 'labelWidth'>): Sampler {
  const { parts } = loss.own === undefined ? loss : defaultLoss(data);
  const wanted = parts.map((name) => losses[name].sampler ?? 'any');
  return wanted.find((sampler) => sampler !== 'any') ?? 'any';
}
