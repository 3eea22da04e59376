import type { TrainingData } from './form';
import type { ScoredRow, TextPair } from './pair';

/** Collects rows of two texts and a score. */
export class ScoredRows {
  readonly #rows: TextPair[] = [];
  readonly #scores: number[] = [];

  add({ text1, text2, score }: ScoredRow): void {
    this.#rows.push([text1, text2]);
    this.#scores.push(score);
  }

  finish(): TrainingData {
    const two = this.#scores.every((score) => score === 0 || score === 1);
    const form = two ? 'labelled-pairs' : 'scored-pairs';
    return { form, rows: this.#rows, labels: this.#scores, labelWidth: 1 };
  }
}
