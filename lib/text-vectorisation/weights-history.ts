import type { EngineAddon } from '../engine/addon';
import type { TrainingRecord } from '../finetune/training-record';
import type { CardFacts, MergeFacts } from '../model/save/card';

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

  /** What is known of the training of the weights as they are. */
  facts(addon: Pick<EngineAddon, 'info'>): CardFacts {
    const records = this.#records.filter(({ changedModel }) => changedModel);
    const trained = records.at(-1)?.facts(records.length - 1, addon.info().libtorch) ?? {};
    return this.#merged === undefined ? trained : { ...trained, merged: this.#merged };
  }
}
