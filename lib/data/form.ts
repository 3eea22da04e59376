/**
 * What the rows of a data set are: two texts with a score ('scored-pairs'), a label 0 or 1 ('labelled-pairs') or one of
 * several classes ('classified-pairs'); a text
 * and one that belongs to it ('positive-pairs'), where some rows also have texts that do not ('triplets'); a text and its
 * class ('classes'); texts and a teacher's vector ('vectors'); a query, its candidates and a teacher's scores of them
 * ('candidates').
 */
export type DataForm =
  | 'scored-pairs'
  | 'labelled-pairs'
  | 'classified-pairs'
  | 'positive-pairs'
  | 'triplets'
  | 'classes'
  | 'vectors'
  | 'candidates';

/** What rows of a form are called. */
export const formWords: Readonly<Record<DataForm, string>> = {
  'scored-pairs': 'pairs with scores',
  'labelled-pairs': 'pairs with label 0/1',
  'classified-pairs': 'pairs with one of several classes',
  'positive-pairs': 'pairs of anchor and positive',
  triplets: 'rows of anchor, positive and negatives',
  classes: 'texts with a class',
  vectors: "texts with a teacher's vector",
  candidates: "queries with candidates and a teacher's scores",
};

/** Rows to train on. */
export interface TrainingData {
  form: DataForm;
  /** The texts of each row: the query or anchor first, then what belongs to it, then what does not. */
  rows: readonly (readonly string[])[];
  /** As many numbers for each row, row after row: a score, the number of a class, a teacher's scores or vector. */
  labels: ArrayLike<number>;
  /** Numbers of each row; 0 where there are none. */
  labelWidth: number;
  /** Of 'classes': what each number stands for. */
  classes?: readonly string[];
  /**
   * Of 'vectors': they are no vectors of the model's own space, as they have another length or the loss projects; how alike
   * two rows are can be compared with them all the same.
   */
  otherSpace?: true;
  /** Of 'candidates': a column or its place says that the first of them belongs to the query. Else none is known to. */
  positiveFirst?: true;
}

/** Fewest and most texts of a row. */
export function widths(rows: readonly (readonly string[])[]): { least: number; most: number } {
  let least = Infinity;
  let most = 0;
  for (const { length } of rows) {
    least = Math.min(least, length);
    most = Math.max(most, length);
  }
  return { least, most };
}

/** Whether rows are pairs of two texts with a number, which today's scored form and labels 0 and 1 are. */
export function isPairs(form: DataForm): boolean {
  return form === 'scored-pairs' || form === 'labelled-pairs';
}

export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** The data in one line: «4,000 pairs with label 0/1: 1,512 ones». */
export function describeForm({ form, rows, labels, labelWidth }: TrainingData): string {
  const n = rows.length;
  const { least, most } = widths(rows);
  const range = (from: number, to: number) => (from === to ? `${to}` : `${from} to ${to}`);
  switch (form) {
    case 'scored-pairs': {
      let low = Infinity;
      let high = -Infinity;
      for (let i = 0; i < n; ++i) {
        low = Math.min(low, labels[i]!);
        high = Math.max(high, labels[i]!);
      }
      const short = (value: number) => String(Number(value.toPrecision(4)));
      return `${counted(n, 'pair')} with ${low === high ? `score ${short(low)}` : `scores from ${short(low)} to ${short(high)}`}`;
    }
    case 'labelled-pairs': {
      let ones = 0;
      for (let i = 0; i < n; ++i) ones += labels[i]!;
      return `${counted(n, 'pair')} with label 0/1: ${counted(ones, 'one')}`;
    }
    case 'classified-pairs': {
      const counts = new Map<number, number>();
      for (let i = 0; i < n; ++i) counts.set(labels[i]!, (counts.get(labels[i]!) ?? 0) + 1);
      const each = [...counts]
        .sort(([a], [b]) => a - b)
        .slice(0, 10)
        .map(([label, rows]) => `${rows.toLocaleString('en')} of ${label}`);
      const more = counts.size > each.length ? ', …' : '';
      return `${counted(n, 'pair')} with one of ${counted(counts.size, 'class', 'classes')}: ${each.join(', ')}${more}`;
    }
    case 'positive-pairs':
      return `${counted(n, 'pair')} of anchor and positive`;
    case 'triplets': {
      const negatives = most - 2;
      return `${counted(n, 'row')} of anchor, positive and ${range(least - 2, negatives)} ${negatives === 1 ? 'negative' : 'negatives'}`;
    }
    case 'classes': {
      const classes = new Set<number>();
      for (let i = 0; i < n; ++i) classes.add(labels[i]!);
      return `${counted(n, 'text')} of ${counted(classes.size, 'class', 'classes')}`;
    }
    case 'vectors':
      return least === 1 && most === 1
        ? `${counted(n, 'text')} with a teacher's vector of ${labelWidth} numbers`
        : `${counted(n, 'row')} of ${range(least, most)} texts with a teacher's vector of ${labelWidth} numbers`;
    case 'candidates':
      return `${counted(n, 'query', 'queries')} with ${range(least - 1, most - 1)} candidates and a teacher's ${labelWidth === most - 1 ? 'scores' : 'margins'}`;
  }
}
