import { tableError } from './formats/table';
import { openBeir } from './formats/beir';
import type { BadRows } from './bad-rows';
import type { TrainingData } from './form';
import type { Reading } from './read';
import { emptyData } from './validate';

/**
 * A folder in BEIR's layout as rows to train on: each query with each document that is relevant to it, in the order of the
 * judgements. Of the corpus only those documents are kept.
 *
 * @param split whose judgements; default: train, else the only one
 * @throws InvalidArgumentError ERR_DATA_FILE, ERR_TEXT_TYPE, ERR_INVALID_OPTION: no such split, ERR_EMPTY_DATA
 */
export async function beirRows(
  folder: string,
  split: string | undefined,
  reading: Reading,
  bad: BadRows,
  signal: AbortSignal,
): Promise<TrainingData> {
  const set = await openBeir(folder, { split, usual: ['train'], signal });
  const wanted = new Set([...set.relevant.values()].flat());
  const documents = new Map<string, string>();
  for await (const { id, text } of set.corpus) if (wanted.has(id)) documents.set(id, text);
  const queries = new Map<string, string>();
  for await (const { id, text } of set.queries) if (set.relevant.has(id)) queries.set(id, text);
  const rows: (readonly [string, string])[] = [];
  let row = 0;
  for (const [query, relevant] of set.relevant) {
    for (const id of relevant) {
      bad.read(() => {
        const place = { file: set.file, row };
        const [anchor, positive] = [queries.get(query), documents.get(id)];
        if (anchor === undefined) throw tableError(place, `there is no query "${query}" in queries.jsonl.`);
        if (positive === undefined) throw tableError(place, `there is no document "${id}" in corpus.jsonl.`);
        rows.push([anchor, positive]);
      });
      if (++row % 4096 === 0) await new Promise(setImmediate);
      signal.throwIfAborted();
    }
  }
  if (row === 0) throw emptyData(`${set.file} names no document that is relevant to a query`, set.file);
  bad.check();
  reading.columns = ['queries', 'corpus'];
  reading.file = {
    format: 'beir',
    encoding: 'utf-8',
    delimiter: null,
    columns: { anchor: 'queries', positive: 'corpus' },
    labels: null,
  };
  reading.notes.push(`The judgements are those of ${set.split}.`);
  return { form: 'positive-pairs', rows, labels: [], labelWidth: 0 };
}
