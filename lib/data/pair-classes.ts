import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { counted } from './form';
import { placeName, type RowPlace } from './validate';

/** The classes of natural language inference, as public data sets number them. */
export const entailment: Readonly<Record<string, 0 | 1 | 2>> = { entailment: 0, neutral: 1, contradiction: 2 };

/** The largest class: a classifier has a row of its matrix for each up to the largest. */
const largest = 9999;

/**
 * The classes of pairs of texts: whole numbers from 0, which stay as they are, or words. entailment, neutral and contradiction
 * are 0, 1 and 2; others are numbered in the order in which they come. A row that people did not agree on (-1 or '-') has none.
 */
export class PairClasses {
  readonly #words = new Map<string, number>();
  #kind: 'numbers' | 'words' | undefined;
  #undecided = 0;
  #most = 0;

  /** Null of a row that has none. @throws InvalidArgumentError ERR_LABEL names the row */
  read(label: unknown, place: RowPlace): number | null {
    const value = typeof label === 'string' ? label.trim() : typeof label === 'boolean' ? Number(label) : label;
    if (value === '-' || value === -1 || value === '-1' || value === null) {
      ++this.#undecided;
      return null;
    }
    const number = typeof value === 'string' && value !== '' ? Number(value) : Number(value as number);
    const typed = typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && value !== '');
    if (typed && !Number.isNaN(number)) return this.#number(number, label, place);
    if (typeof value === 'string' && value !== '') return this.#word(value, label, place);
    throw wrong(label, place);
  }

  /** Whether the classes are the numbers 0 and 1. */
  get binary(): boolean {
    return this.#kind === 'numbers' && this.#most < 2;
  }

  notes(): string[] {
    const notes: string[] = [];
    if (this.#words.size > 0)
      notes.push(`Classes: ${[...this.#words].map(([word, number]) => `${word} is ${number}`).join(', ')}.`);
    if (this.#undecided > 0)
      notes.push(
        `${counted(this.#undecided, 'row has', 'rows have')} no class and ${this.#undecided === 1 ? 'is' : 'are'} not trained on.`,
      );
    return notes;
  }

  #number(number: number, label: unknown, place: RowPlace): number {
    if (this.#kind === 'words' || !Number.isInteger(number) || number < 0 || number > largest)
      throw wrong(label, place);
    this.#kind = 'numbers';
    this.#most = Math.max(this.#most, number);
    return number;
  }

  #word(word: string, label: unknown, place: RowPlace): number {
    if (this.#kind === 'numbers') throw wrong(label, place);
    this.#kind = 'words';
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    const inference = Object.hasOwn(entailment, word.toLowerCase());
    const others = [...this.#words.keys()].every((one) => Object.hasOwn(entailment, one.toLowerCase()));
    if (this.#words.size > 0 && inference !== others) throw wrong(label, place);
    const number = inference ? entailment[word.toLowerCase()]! : this.#words.size;
    if (number > largest) throw wrong(label, place);
    this.#words.set(word, number);
    return number;
  }
}

function wrong(label: unknown, place: RowPlace): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_LABEL',
    `The class of two texts must be a whole number from 0 to ${largest} in all rows, or a word in all, but that of ${placeName(place)} is ${show(label)}.`,
    { ...place },
  );
}
