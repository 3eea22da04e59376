import { hasCode, InvalidArgumentError, saidBy, withoutRemedy, type InvalidArgumentCode } from '../system/errors';
import { option, say, type Wording } from '../system/wording';

/** Faults that are shown. */
const shown = 10;

const ofARow: readonly InvalidArgumentCode[] = ['ERR_TEXT_TYPE', 'ERR_SCORE_RANGE', 'ERR_LABEL', 'ERR_DATA_FILE'];

/**
 * Rows that cannot be used. A file is read to its end, so that all of its faults are told at once; of rows that a program
 * makes the first is told, as the rest may never end.
 */
export class BadRows {
  #count = 0;
  readonly #faults: InvalidArgumentError[] = [];

  /** @param skip leaves them out and counts them @param file whether all of them are wanted at once */
  constructor(
    readonly skip: boolean,
    readonly file: string | null,
  ) {}

  get count(): number {
    return this.#count;
  }

  /** Takes what `read` throws of its row; gives undefined then. */
  read<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.take(error);
      return undefined;
    }
  }

  /** @throws the error, where it is not a row's, or the first is told at once */
  take(error: unknown): void {
    const fault = error as InvalidArgumentError;
    const known = error instanceof InvalidArgumentError && fault.row !== undefined;
    if (!known || !(ofARow.some((code) => hasCode(error, code)) || hasCode(error, 'ERR_INVALID_ARGUMENT'))) throw error;
    if (!this.skip && this.file === null) throw error;
    if (++this.#count <= shown) this.#faults.push(fault);
  }

  /** @throws InvalidArgumentError: what was wrong, unless it is left out */
  check(): void {
    const [first, ...others] = this.#faults;
    if (first === undefined || this.skip) return;
    if (this.#count === 1) throw first;
    const { said, remedy } = saidBy(first);
    const list = others.flatMap((fault): Wording => say`\n- ${saidBy(fault).said}`);
    const more = this.#count - 1 - others.length;
    const rest = more === 0 ? [] : say`\n- and ${more} more`;
    throw new InvalidArgumentError(
      first.code,
      say`${said}${remedy === undefined ? [] : say` ${remedy}`}\nIn all ${this.#count.toLocaleString('en')} rows of ${this.file!} cannot be used; after the first:${list}${rest}\n`,
      {
        row: first.row,
        file: first.file,
        line: first.line,
        cause: first,
        remedy: say`${option('onBadRow', 'skip')} leaves such rows out.`,
      },
    );
  }

  /** What was left out, in a sentence. */
  notes(): string[] {
    const [first] = this.#faults;
    if (first === undefined || !this.skip) return [];
    const rows = this.#count === 1 ? '1 row is' : `${this.#count.toLocaleString('en')} rows are`;
    return [
      `${rows} left out, as ${this.#count === 1 ? 'it' : 'they'} cannot be used; the first: ${withoutRemedy(first)}`,
    ];
  }
}
