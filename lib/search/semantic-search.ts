import { callback, optional, resolveTable, type OptionsOf } from '../system/option-table';
import type { Vectors } from './matrix';
import {
  indexTable,
  progressNames,
  searchTable,
  VectorIndex,
  type ClippedEvent,
  type SearchEvent,
  type SearchHit,
} from './vector-index';

const semanticSearchTable = {
  ...indexTable,
  ...searchTable,
  /** Is told while the search goes on, and, of 'int8', where many numbers of the corpus lie outside the ranges. */
  onProgress: optional(callback<(event: SearchEvent | ClippedEvent) => void>(), undefined, progressNames),
};

/** Options of `semanticSearch`. */
export interface SemanticSearchOptions extends OptionsOf<typeof semanticSearchTable> {}

/**
 * The most similar vectors of a corpus for each query, the best first, as sentence-transformers' `semantic_search`: exact,
 * off the event loop; of equal scores the vector that comes first goes first. Who searches the same corpus again makes a
 * `VectorIndex` of it.
 *
 * ```ts
 * const hits = await semanticSearch(await tv.embed(questions), await tv.embed(documents), { topK: 3 });
 * hits[0]; // [{ index: 17, score: 0.81 }, …]
 * ```
 *
 * @throws as `VectorIndex.of` and its `search`
 */
export async function semanticSearch(
  queries: Vectors,
  corpus: Vectors,
  options?: SemanticSearchOptions,
): Promise<SearchHit[][]> {
  const all = resolveTable(semanticSearchTable, options, { name: 'semanticSearch', path: '' });
  const of = (table: object) =>
    Object.fromEntries(Object.entries(all).filter(([name, value]) => name in table && value !== undefined));
  const index = await VectorIndex.of(corpus, of(indexTable));
  try {
    return await index.search(queries, of(searchTable));
  } finally {
    await index.dispose();
  }
}
