/** Rows after one that are looked at for what does not belong to it. */
const MOST_OTHERS = 8;

/** What is found in the rows that follow one, after the last of them the first; undefined where the next few have none. */
export function nextOther<Row, Found>(
  rows: ArrayLike<Row>,
  at: number,
  find: (row: Row) => Found | undefined,
): Found | undefined {
  for (let k = 1; k <= MOST_OTHERS; ++k) {
    const found = find(rows[(at + k) % rows.length]!);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Two rows by their places. */
export type PlacePair = readonly [number, number];

/** Of rows with classes: each with the last one before it of its class, and with the next one of another. */
export function classPairs(labels: ArrayLike<string | number>): { together: PlacePair[]; apart: PlacePair[] } {
  const places = Array.from(labels, (_, i) => i);
  const last = new Map<string | number, number>();
  const together = places.flatMap((i): PlacePair[] => {
    const before = last.get(labels[i]!);
    last.set(labels[i]!, i);
    return before === undefined ? [] : [[before, i]];
  });
  const apart = places.flatMap((i): PlacePair[] => {
    const other = nextOther(places, i, (place) => (labels[place] === labels[i] ? undefined : place));
    return other === undefined ? [] : [[i, other]];
  });
  return { together, apart };
}
