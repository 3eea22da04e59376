import type { Sampler } from './losses/table';
import { sampledInTurns, type SampledRows } from './order';
import { amongAll } from './sets/training-set';
import { seedOf, takeTurns, turnsOf, type MultiDatasetSampler } from './sets/turns';

/** A set of rows to draw batches from. */
export interface BatchedSet {
  /** Of its first row among the rows of all sets. */
  first: number;
  /** Rows to train on. */
  rows: Int32Array;
  /** Tokens of each row, all its texts together. */
  lengths: Int32Array;
  sampler: Sampler;
  sampled: SampledRows;
}

/** Rows of one step: of one set, by their numbers among the rows of all. */
export interface Batch {
  set: number;
  rows: Int32Array;
}

export interface BatchesRequest {
  sets: readonly BatchedSet[];
  batchSize: number;
  shuffle: boolean;
  seed: number;
  multiDatasetSampler: MultiDatasetSampler;
  /** Throws if the run is to stop. */
  check: () => void;
}

/** The batches of each epoch, counted from 0: a function of the request alone. */
export class Batches {
  readonly #request: BatchesRequest;

  constructor(request: BatchesRequest) {
    this.#request = request;
  }

  async of(epoch: number): Promise<Batch[]> {
    const { sets, seed, shuffle, multiDatasetSampler } = this.#request;
    const batches: Int32Array[][] = [];
    for (const set of sets.keys()) batches.push(await this.#ofSet(set, epoch));
    const counts = batches.map(({ length }) => length);
    const next = sets.map(() => 0);
    return Array.from(takeTurns(multiDatasetSampler, counts, { seed, epoch, shuffle }), (set) => ({
      set,
      rows: amongAll(batches[set]![next[set]!++]!, sets[set]!),
    }));
  }

  /** Steps of each of so many epochs: rows that must not meet may need another number of batches in another order. */
  async counts(epochs: number): Promise<number[]> {
    const { sets, batchSize, multiDatasetSampler } = this.#request;
    const steps: number[] = [];
    for (let epoch = 0; epoch < epochs; ++epoch) {
      const counts: number[] = [];
      for (const [set, { rows, sampler }] of sets.entries()) {
        const known = sampler !== 'no-duplicates';
        counts.push(known ? Math.ceil(rows.length / batchSize) : (await this.#ofSet(set, epoch)).length);
      }
      steps.push(turnsOf(multiDatasetSampler, counts));
    }
    return steps;
  }

  #ofSet(set: number, epoch: number): Promise<Int32Array[]> {
    const { sets, batchSize, shuffle, seed, check } = this.#request;
    const { rows, lengths, sampler, sampled } = sets[set]!;
    return sampledInTurns(
      { rows, lengths, batchSize, shuffle, seed: seedOf(seed, set), epoch },
      sampler,
      sampled,
      check,
    );
  }
}
