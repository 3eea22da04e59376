import { tableError, type Table, type TableRow } from './table';

/** Files of the same columns as one table, read one after the other; the first is open already. */
export class JoinedTable implements Table {
  readonly names: Table['names'];
  readonly encoding: Table['encoding'];
  readonly delimiter: Table['delimiter'];
  readonly columns: readonly string[];
  readonly #others: readonly string[];
  readonly #open: (file: string) => Promise<Table>;
  #current: Table;
  #notes: string[] = [];

  constructor(first: Table, others: readonly string[], open: (file: string) => Promise<Table>) {
    this.#current = first;
    this.#others = others;
    this.#open = open;
    ({ names: this.names, encoding: this.encoding, delimiter: this.delimiter, columns: this.columns } = first);
  }

  async *rows(
    positions: readonly number[],
    isRow: (cells: readonly unknown[]) => boolean,
  ): AsyncGenerator<TableRow[], void> {
    try {
      yield* this.#current.rows(positions, isRow);
      for (const file of this.#others) {
        this.#notes.push(...this.#current.notes());
        this.#current = await this.#open(file);
        const { columns } = this.#current;
        // In another order they are the same all the same.
        const here = positions.map((position) => columns.indexOf(this.columns[position]!));
        if (here.includes(-1)) {
          const missing = this.columns[positions[here.indexOf(-1)]!]!;
          throw tableError({ file }, `there is no column "${missing}", which the files before it have.`);
        }
        yield* this.#current.rows(here, isRow);
      }
    } finally {
      await this.close();
    }
  }

  notes(): readonly string[] {
    return [...this.#notes, ...this.#current.notes()];
  }

  close(): Promise<void> {
    return this.#current.close();
  }
}
