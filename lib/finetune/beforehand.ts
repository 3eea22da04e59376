import { InvalidArgumentError } from '../system/errors';
import { option, placeholder, say } from '../system/wording';
import type { CrossChecked } from './cross-check';
import { crossCheck } from './folds';
import type { KeepSet } from './keep';
import type { ResolvedOptions } from './resolved-options';
import type { RunSettings } from './recipes/settings';
import { searchSettings, SettingsSearchFile } from './settings-search';
import { searchOption } from './settings-search-options';
import type { SettingsSearchReport } from './settings-trials';
import type { TrialGround } from './trial';

export interface BeforehandRequest {
  ground: TrialGround;
  options: ResolvedOptions;
  settings: RunSettings;
  /** What must stay; null where nothing was asked for. */
  keep: KeepSet | null;
  /** What the run is, for the trials that are kept beside its checkpoints. */
  identity: () => Promise<unknown>;
}

/** What trainings that are thrown away came to, before the run's own first step. */
export interface Beforehand {
  /** With the learning rate and the batch that were found. */
  settings: RunSettings;
  /** null where none was asked for. */
  search: SettingsSearchReport | null;
  /** null of a set that is large enough for its validation rows. */
  crossed: CrossChecked | null;
}

/** Searches, if that was asked for, then has a small set measured by models that have not seen it. */
export async function beforehand(request: BeforehandRequest): Promise<Beforehand> {
  const { ground, options, settings, keep, identity } = request;
  const { emit } = ground;
  const { split } = ground.set;
  const { checkpoint, resume, learningRate, effectiveBatchSize } = options;
  let search: SettingsSearchReport | null = null;
  if (options.search !== null) {
    const onFailure = (error: Error) =>
      emit({ type: 'checkpoint-failed', totalSteps: 0, error, message: error.message });
    search = await searchSettings({
      minutes: options.search.minutes,
      ground,
      settings,
      split,
      free: { learningRate: learningRate === null, effectiveBatchSize: effectiveBatchSize === null },
      keep,
      file: checkpoint === null ? null : new SettingsSearchFile(checkpoint.folder, await identity(), onFailure),
      resume: resume !== null && resume === checkpoint?.folder,
    });
  }
  const found = search === null ? settings : { ...settings, ...search.chosen };
  const crossed = found.folds === 1 ? null : await crossCheck(ground, found, split, options.allowConstantScores);
  return { settings: found, search, crossed };
}

/**
 * A loss has no interval by which a gain shows, and trainings beside the run are of one set.
 *
 * @throws InvalidArgumentError ERR_INVALID_OPTION
 */
export function checkBeforehand(options: ResolvedOptions, { folds, measure }: RunSettings, sets: number): void {
  if (options.search !== null && sets > 1) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${searchOption} is for a run of one data set, but there are ${sets}.`,
      { remedy: say`Leave ${searchOption} out.` },
    );
  }
  if ((options.folds ?? 1) > 1 && sets > 1) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('folds')} is for a run of one data set, but there are ${sets}.`,
      { remedy: say`Leave ${option('folds')} out.` },
    );
  }
  if (folds === 1 || measure !== 'loss') return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('folds')} tells a gain from chance in a measure of the rows, but the run goes by the loss.`,
    { remedy: say`Give ${option('measure', placeholder)} too, or leave ${option('folds')} out.` },
  );
}
