/** State of early stopping; everything that a later run needs to go on. */
export interface EarlyStoppingState {
  best: number;
  bestEpoch: number;
  reference: number;
  waited: number;
}

export interface EarlyStoppingVerdict {
  /** The measure is the best so far: these weights are worth keeping. */
  best: boolean;
  /** There was no improvement by more than minDelta for `patience` epochs. */
  stop: boolean;
}

/**
 * Watches what a run goes by as a cost: a loss, or a measure with its sign turned, so that the lower is the better. The
 * untrained model is epoch 0, so training that only makes things worse keeps no epoch. A cost that is not a number is never
 * an improvement.
 */
export class EarlyStopping {
  #state: EarlyStoppingState;

  /** `patience` null never stops, but still tells the best epoch. */
  constructor(
    readonly patience: number | null,
    readonly minDelta: number,
    untrained: number,
  ) {
    // A model whose own cost is not a number is worse than any that has one.
    const cost = Number.isNaN(untrained) ? Infinity : untrained;
    this.#state = { best: cost, bestEpoch: 0, reference: cost, waited: 0 };
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

  update(epoch: number, cost: number): EarlyStoppingVerdict {
    const state = this.#state;
    const best = cost < state.best;
    if (best) {
      state.best = cost;
      state.bestEpoch = epoch;
    }
    if (cost < state.reference - this.minDelta) {
      state.reference = cost;
      state.waited = 0;
    } else {
      ++state.waited;
    }
    return { best, stop: this.exhausted };
  }
}
