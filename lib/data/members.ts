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

/** Names of a class's accessors, as which object mappers have columns. None is called: what it gives is not looked into. */
function accessors(record: object): string[] {
  const found = new Set<string>();
  let prototype = Object.getPrototypeOf(record) as object | null;
  while (prototype !== null && !Object.hasOwn(prototype, 'hasOwnProperty')) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      if (get !== undefined && !Object.hasOwn(record, name)) found.add(name);
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return [...found];
}

/** What every object has is no member of it. */
const has = (record: object, name: string): boolean =>
  Object.hasOwn(record, name) || (name in record && !(name in Object.prototype));

/** The columns of rows that are records: their members, and those of members that are records or lists of them, by paths. */
export class Members {
  /** 'query', 'passages.text'. */
  readonly names: readonly string[];
  readonly #paths: readonly Path[];

  /** As the first record has them; of a class's instance also what its accessors give. */
  constructor(first: object) {
    const own = Object.entries(first).flatMap(([name, member]) => pathsIn(member).map((path) => [name, ...path]));
    this.#paths = [...own, ...accessors(first).map((name) => [name])];
    this.names = this.#paths.map((path) => path.join('.'));
  }

  /** A record's value for the column at a position; undefined where the record has no such member. */
  at(record: Readonly<Record<string, unknown>>, position: number): unknown {
    const [name, ...rest] = this.#paths[position]!;
    return has(record, name!) ? valueAt(record[name!], rest) : undefined;
  }

  /** Whether a record has the member that the column at a position is in. */
  has(record: object, position: number): boolean {
    return has(record, this.#paths[position]![0]!);
  }
}
