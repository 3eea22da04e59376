import type { EngineAddon } from '../engine/addon';
import type { TrainingRecord } from '../finetune/training-record';
import type { CardFacts, MergeFacts } from '../model/save/card';
import type { OpenedModel } from '../model/types';

/** How a model's weights came to be what they are, for its card. */
export class WeightsHistory {
  /** Of the runs whose weights the model took, and last of the run that is on. */
  #records: TrainingRecord[] = [];
  /** Where the weights were not read but merged. */
  #merged: MergeFacts | undefined;

  merged(facts: MergeFacts): void {
    this.#merged = facts;
  }

  /** A run begins. */
  begin(record: TrainingRecord): void {
    this.#records = [...this.#records.filter(({ changedModel }) => changedModel), record];
  }

  /**
   * What is known of the training of the weights as they are, since they were opened and, by the folder that they were saved
   * to, before.
   */
  facts(addon: Pick<EngineAddon, 'info'>, { saved }: Pick<OpenedModel, 'saved'>): CardFacts {
    const records = this.#records.filter(({ changedModel }) => changedModel);
    // Merged weights are none that were trained as the first one's folder says.
    const before: CardFacts = this.#merged === undefined ? { ...saved?.facts } : {};
    const merged = this.#merged ?? before.merged;
    const runs = before.trainPairs === undefined ? 0 : 1 + (before.earlierRuns ?? 0);
    const trained = records.at(-1)?.facts(runs + records.length - 1, addon.info().libtorch);
    if (trained === undefined) return { ...before, ...(merged !== undefined && { merged }) };
    const { license, languages } = before;
    return {
      ...(license !== undefined && { license }),
      ...(languages !== undefined && { languages }),
      ...trained,
      ...(merged !== undefined && { merged }),
    };
  }
}
