/** State of early stopping; everything that a later run needs to go on. */
export interface EarlyStoppingState {
  best: number;
  bestEpoch: number;
  reference: number;
  waited: number;
}

export interface EarlyStoppingVerdict {
  /** The loss is the lowest so far: these weights are worth keeping. */
  best: boolean;
  /** There was no improvement by more than minDelta for `patience` epochs. */
  stop: boolean;
}

/**
 * Watches the validation loss. The untrained model is epoch 0, so training that only makes things worse
 * keeps no epoch. A loss that is not a number is never an improvement.
 */
export class EarlyStopping {
  #state: EarlyStoppingState;

  /** `patience` null never stops, but still tells the best epoch. */
  constructor(
    readonly patience: number | null,
    readonly minDelta: number,
    untrainedLoss: number,
  ) {
    // A model whose own loss is not a number is worse than any that has one.
    const loss = Number.isNaN(untrainedLoss) ? Infinity : untrainedLoss;
    this.#state = { best: loss, bestEpoch: 0, reference: loss, waited: 0 };
  }

  /** Goes on from a saved state. */
  static from(patience: number | null, minDelta: number, state: EarlyStoppingState): EarlyStopping {
    const stopping = new EarlyStopping(patience, minDelta, state.best);
    stopping.#state = { ...state };
    return stopping;
  }

  /** There was no improvement by more than minDelta for `patience` epochs. */
  get exhausted(): boolean {
    return this.patience !== null && this.#state.waited >= this.patience;
  }

  get state(): Readonly<EarlyStoppingState> {
    return { ...this.#state };
  }

  update(epoch: number, loss: number): EarlyStoppingVerdict {
    const state = this.#state;
    const best = loss < state.best;
    if (best) {
      state.best = loss;
      state.bestEpoch = epoch;
    }
    if (loss < state.reference - this.minDelta) {
      state.reference = loss;
      state.waited = 0;
    } else {
      ++state.waited;
    }
    return { best, stop: this.exhausted };
  }
}
