import { resolveTable, type OptionsOf } from '../system/option-table';
import type { Vectors } from './matrix';
import { indexTable, searchTable, VectorIndex, type SearchHit } from './vector-index';

export const semanticSearchTable = { similarity: indexTable.similarity, ...searchTable };

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
  const { similarity, ...search } = resolveTable(semanticSearchTable, options, { name: 'semanticSearch', path: '' });
  const { signal } = search;
  const index = await VectorIndex.of(corpus, { similarity, ...(signal && { signal }) });
  try {
    return await index.search(queries, Object.fromEntries(Object.entries(search).filter(([, v]) => v !== undefined)));
  } finally {
    await index.dispose();
  }
}
