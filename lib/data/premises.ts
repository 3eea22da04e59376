import { show } from '../system/options';
import { labelError } from './cells';
import { counted } from './form';
import { entailment } from './pair-classes';
import { placeName, type RowPlace } from './validate';

/**
 * Premises with hypotheses, as data sets of natural language inference have them: what a premise entails are its positives,
 * what it contradicts its negatives. Neutral hypotheses are left out, and those that people did not agree on (-1 or '-').
 */
export class Premises {
  readonly #hypotheses = new Map<string, [entailed: string[], contradicted: string[]]>();
  #neutral = 0;
  #undecided = 0;

  /** @throws InvalidArgumentError ERR_LABEL names the row */
  read([premise, hypothesis]: readonly [string, string], label: unknown, place: RowPlace): void {
    const text = typeof label === 'string' ? label.trim().toLowerCase() : label;
    const value =
      typeof text === 'string' && text in entailment ? entailment[text]! : Number(text === '' ? Number.NaN : text);
    if (text === '-' || text === null || value === -1) {
      ++this.#undecided;
      return;
    }
    if (value !== 0 && value !== 1 && value !== 2)
      throw labelError(
        `The label of a premise and a hypothesis must be 0 (entailment), 1 (neutral) or 2 (contradiction), but that of ${placeName(place)} is ${show(label)}.`,
        place,
      );
    if (value === 1) {
      ++this.#neutral;
      return;
    }
    let found = this.#hypotheses.get(premise);
    if (found === undefined) this.#hypotheses.set(premise, (found = [[], []]));
    found[value === 0 ? 0 : 1].push(hypothesis);
  }

  /** Whether the labels are seen to be these three. */
  get areTold(): boolean {
    return (
      this.#neutral + this.#undecided > 0 &&
      [...this.#hypotheses.values()].some(([, contradicted]) => contradicted.length > 0)
    );
  }

  /** A row for each positive: premise, positive, negatives. Counts what is of no use; once, when all are read. */
  *rows(): Generator<string[], void, undefined> {
    for (const [premise, [entailed, contradicted]] of this.#hypotheses) {
      if (entailed.length === 0) this.#undecided += contradicted.length;
      for (const hypothesis of entailed) yield [premise, hypothesis, ...contradicted];
    }
  }

  note(): string {
    return `0 is entailment, 1 neutral, 2 contradiction: each premise has what it entails as positives and what it contradicts as negatives; ${counted(this.#neutral, 'neutral row')} and ${counted(this.#undecided, 'row')} without a label, or of a premise that entails nothing, are not used.`;
  }
}
