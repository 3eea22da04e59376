import { stat } from 'node:fs/promises';
import { hasColumns } from '../data/columns';
import { isBeir, openBeir } from '../data/formats/beir';
import { tableError } from '../data/formats/table';
import { openTable, readScored } from '../data/read';
import { resolveReadOptions, type ReadOptions } from '../data/read-options';
import { InvalidArgumentError } from '../system/errors';
import type { BinaryRow } from './binary';
import type { ClassRow } from './classes';
import type { RerankingSample } from './reranking';
import type { RetrievalData, RetrievalText } from './retrieval';
import type { SimilarityRow } from './similarity';
import type { TripletRow } from './triplet';

/** Data on disk, in the form that an evaluator takes. */
export type DataSet =
  | { form: 'similarity'; rows: readonly SimilarityRow[] }
  | { form: 'binary'; rows: readonly BinaryRow[] }
  | { form: 'triplet'; rows: readonly TripletRow[] }
  | { form: 'reranking'; rows: readonly RerankingSample[] }
  | { form: 'classes'; rows: readonly ClassRow[] }
  | { form: 'retrieval'; data: RetrievalData; queries: readonly RetrievalText[] };

export interface DataSetOptions {
  /** How a file is read. */
  file?: ReadOptions | undefined;
  /** Of a BEIR folder. */
  split?: string | undefined;
  signal?: AbortSignal | undefined;
}

const usual = {
  anchor: ['anchor', 'query', 'question'],
  positive: ['positive', 'pos', 'positives', 'answer', 'passage', 'document'],
  negative: ['negative', 'neg', 'negatives'],
  text: ['text', 'sentence'],
  label: ['label', 'class', 'category', 'topic'],
};
type Part = keyof typeof usual;

/**
 * Opens what a path names; the form follows from it: a folder in BEIR's layout is retrieval; of files, two texts with
 * scores are similarity, with two different scores (0 and 1) binary; anchor, positive and negative triplets, or reranking
 * where negatives are lists; anchor and positive retrieval among all positives; text and label classes.
 *
 * @throws InvalidArgumentError names the file, and what is wrong in which row
 */
export async function openDataSet(path: string, options: DataSetOptions = {}): Promise<DataSet> {
  const { signal } = options;
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) {
    if (!(await isBeir(path))) {
      throw new InvalidArgumentError(
        'ERR_DATA_FILE',
        `${path} is a folder; a file of rows is wanted, or a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv.`,
        { file: path },
      );
    }
    const data = await openBeir(path, { split: options.split, signal });
    const queries: RetrievalText[] = [];
    for await (const query of data.queries) queries.push(query);
    return { form: 'retrieval', data: { ...data, queries }, queries };
  }
  const file: ReadOptions = { ...options.file, ...(signal && { signal }) };
  const resolved = resolveReadOptions(path, file);
  const table = await openTable(path, resolved);
  const { columns } = table;
  if (hasColumns(columns, resolved.columns) || Object.keys(resolved.columns).length > 0) {
    await table.close();
    return pairs(path, file);
  }
  const at = (part: Part): number => columns.findIndex((name) => usual[part].includes(plain(name)));
  const forms: Part[][] = [
    ['anchor', 'positive', 'negative'],
    ['anchor', 'positive'],
    ['text', 'label'],
  ];
  const parts = forms.find((form) => form.every((part) => at(part) >= 0));
  if (parts === undefined) {
    // Whose error says what columns there are and what may be meant.
    await table.close();
    return pairs(path, file);
  }
  const rows: unknown[][] = [];
  for await (const piece of table.rows(parts.map(at), () => true)) {
    for (const { cells, line, fault } of piece) {
      if (fault !== undefined) throw fault;
      const missing = cells.indexOf(undefined);
      if (missing >= 0) {
        const place = { file: path, row: rows.length, line };
        throw tableError(place, `there is no "${columns[at(parts[missing]!)]!}", which the first row has.`);
      }
      rows.push([...cells]);
    }
  }
  return formed(parts.join(' '), rows);
}

/** The evaluators check each value, and name its row. */
function formed(parts: string, rows: readonly unknown[][]): DataSet {
  if (parts === 'text label') {
    return { form: 'classes', rows: rows.map(([text, label]) => ({ text, label })) as unknown as ClassRow[] };
  }
  if (parts === 'anchor positive negative') {
    if (rows.some((cells) => Array.isArray(cells[1]) || Array.isArray(cells[2]))) {
      const samples = rows.map(([query, positive, negative]) => ({ query, positive, negative }));
      return { form: 'reranking', rows: samples as unknown as RerankingSample[] };
    }
    const triplets = rows.map(([anchor, positive, negative]) => ({ anchor, positive, negative }));
    return { form: 'triplet', rows: triplets as unknown as TripletRow[] };
  }
  return amongPositives(rows as [string, string][]);
}

/** Each anchor is searched with among all positives; equal texts are one. */
function amongPositives(rows: readonly (readonly [string, string])[]): DataSet {
  const numbered = (texts: readonly string[]): Map<string, RetrievalText> =>
    new Map([...new Set(texts)].map((text, i) => [text, { id: `${i}`, text }]));
  const queries = numbered(rows.map(([anchor]) => anchor));
  const corpus = numbered(rows.map(([, positive]) => positive));
  const relevant = new Map<string, string[]>();
  for (const [anchor, positive] of rows) {
    const { id } = queries.get(anchor)!;
    const list = relevant.get(id);
    if (list === undefined) relevant.set(id, [corpus.get(positive)!.id]);
    else list.push(corpus.get(positive)!.id);
  }
  const list = [...queries.values()];
  return { form: 'retrieval', data: { queries: list, corpus: [...corpus.values()], relevant }, queries: list };
}

async function pairs(path: string, file: ReadOptions): Promise<DataSet> {
  const rows: SimilarityRow[] = [];
  for await (const piece of readScored(path, file)) for (const row of piece) rows.push(row);
  const labelled = rows.every(({ score }) => score === 0 || score === 1);
  if (!labelled) return { form: 'similarity', rows };
  return { form: 'binary', rows: rows.map(({ text1, text2, score }) => ({ text1, text2, label: score })) };
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
