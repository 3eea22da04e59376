import type { TrainingData } from './form';
import type { TextPair } from './pair';
import { checkRow, type RowPlace } from './validate';

/** Collects rows of two texts and a score. */
export class ScoredRows {
  readonly #rows: TextPair[] = [];
  readonly #scores: number[] = [];

  read(value: unknown, place: RowPlace): void {
    const { text1, text2, score } = checkRow(value, place);
    this.add(text1, text2, score);
  }

  add(text1: string, text2: string, score: number): void {
    this.#rows.push([text1, text2]);
    this.#scores.push(score);
  }

  finish(): TrainingData {
    const two = this.#scores.every((score) => score === 0 || score === 1);
    const form = two ? 'labelled-pairs' : 'scored-pairs';
    return { form, rows: this.#rows, labels: this.#scores, labelWidth: 1 };
  }
}
