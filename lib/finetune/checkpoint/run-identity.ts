import type { CollectedData } from '../../data/source';
import type { EngineAddon } from '../../engine/addon';
import type { NativePrecision } from '../../engine/compute';
import type { NativeLoss } from '../../engine/training';
import type { ChosenDevice } from '../../engine/devices';
import type { RunSettings } from '../recipes/settings';
import type { ResolvedOptions } from '../resolved-options';
import type { TrainingSet } from '../sets/training-set';
import type { TokenisedRows } from '../tokens';
import type { TrainableModel } from '../trainable-model';
import { arithmeticOf, computationOf, hashData, hashSets, hashTokens, optionsOf, type RunIdentity } from './identity';

export interface IdentityRequest {
  addon: Pick<EngineAddon, 'info' | 'fingerprint'>;
  model: Pick<TrainableModel, 'id' | 'handle' | 'spec'>;
  sets: readonly TrainingSet[];
  tokens: TokenisedRows;
  options: ResolvedOptions;
  /** As it came to be. */
  loss: NativeLoss;
  /** The rows to keep. */
  keep: CollectedData | null;
  precision: NativePrecision;
  chosen: ChosenDevice;
}

/** What a run is, by its settings: they may yet be searched for. */
export async function identityOf(request: IdentityRequest): Promise<(settings: RunSettings) => Promise<RunIdentity>> {
  const { addon, model, sets, tokens, options, loss, keep, precision, chosen } = request;
  const identity = {
    model: {
      id: model.id,
      before: await addon.fingerprint(model.handle),
      computes: computationOf(model.spec, options.dropout),
    },
    data: {
      rows: sets.reduce((sum, { data }) => sum + data.rows.length, 0),
      sha256: await hashSets(sets),
    },
    tokenizer: await hashTokens(tokens),
    arithmetic: await arithmeticOf(addon, precision, chosen),
  };
  const grouped = sets.length === 1 ? sets[0]!.split.grouped : sets.map(({ split }) => split.grouped);
  return async (settings) => ({
    ...identity,
    options: {
      ...optionsOf(options, settings, loss, grouped),
      ...(sets.length > 1 && {
        multiDatasetSampler: options.multiDatasetSampler ?? 'proportional',
        sets: Object.fromEntries(sets.map(({ name, measure }) => [name!, { measure }])),
      }),
      keep: keep === null ? null : { margin: options.keep!.margin, sha256: await hashData(keep) },
    },
  });
}
