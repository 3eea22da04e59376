type Path = readonly string[];

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

/** What stands at a path of members; of a list, what stands there in each of its elements. null where a member is missing. */
export function valueAt(value: unknown, path: Path): unknown {
  if (path.length === 0) return value;
  if (Array.isArray(value)) return value.map((one: unknown) => valueAt(one, path));
  if (!isRecord(value)) return null;
  const [name, ...rest] = path;
  return Object.hasOwn(value, name!) ? valueAt(value[name!], rest) : null;
}

/** The paths to all that has no members itself, of a record or of the first record of a list. */
function pathsIn(value: unknown): Path[] {
  const record = Array.isArray(value) ? (value as unknown[]).find((one) => one !== null && one !== undefined) : value;
  if (!isRecord(record)) return [[]];
  const inside = Object.entries(record).flatMap(([name, member]) => pathsIn(member).map((path) => [name, ...path]));
  return inside.length === 0 ? [[]] : inside;
}

/** The columns of rows that are records: their members, and those of members that are records or lists of them, by paths. */
export class Members {
  /** 'query', 'passages.text'. */
  readonly names: readonly string[];
  readonly #paths: readonly Path[];

  /** As the first record has them. */
  constructor(first: object) {
    this.#paths = Object.entries(first).flatMap(([name, member]) => pathsIn(member).map((path) => [name, ...path]));
    this.names = this.#paths.map((path) => path.join('.'));
  }

  /** A record's value for the column at a position; undefined where the record has no such member. */
  at(record: Readonly<Record<string, unknown>>, position: number): unknown {
    const [name, ...rest] = this.#paths[position]!;
    return Object.hasOwn(record, name!) ? valueAt(record[name!], rest) : undefined;
  }
}
