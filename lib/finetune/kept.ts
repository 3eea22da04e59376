import type { FinetuneEvent } from './events';

/** Follows a run's events and knows which of its weights the model has. */
export class KeptEpoch {
  /** The last epoch whose weights the model has for sure; 0 while it has none of this run. */
  epoch = 0;
  #validates = false;
  /** The last epoch of which nothing was taken, as it does not keep what must be kept. */
  #left = 0;

  note(event: FinetuneEvent): void {
    if (event.type === 'data') this.#validates ||= event.validationRows > 0;
    else if (event.type === 'validation' && event.best) this.epoch = event.epoch;
    else if (event.type === 'keep-failed') this.#left = event.epoch;
    // Without validation rows the model takes the weights of every epoch that is over, but for those.
    else if (event.type === 'epoch-start' && !this.#validates && this.#left !== event.epoch - 1)
      this.epoch = event.epoch - 1;
    else if (event.type === 'restored') this.epoch = event.bestEpoch;
    else if (event.type === 'done') this.epoch = event.report.bestEpoch;
  }
}
