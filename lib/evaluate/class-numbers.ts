import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';

/** Classes of rows as numbers, in the order in which they are met; equal labels are one class. */
export class ClassNumbers {
  readonly #numbers = new Map<string | number, number>();
  /** The class of each row that was added. */
  readonly ofRows: number[] = [];

  get count(): number {
    return this.#numbers.size;
  }

  /** The label that was met first. */
  get first(): string | number | undefined {
    return this.#numbers.keys().next().value;
  }

  /** @throws InvalidArgumentError: the label of the next row is neither a string nor a number */
  add(label: unknown): void {
    const row = this.ofRows.length;
    if (typeof label !== 'string' && typeof label !== 'number') {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `A label must be a string or a number, but that of row ${row} (counted from 0) is ${show(label)}.`,
        { row },
      );
    }
    if (!this.#numbers.has(label)) this.#numbers.set(label, this.#numbers.size);
    this.ofRows.push(this.#numbers.get(label)!);
  }
}
