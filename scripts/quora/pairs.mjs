import { createRequire } from 'node:module';
import { join } from 'node:path';
import { DIST } from '../setup/paths.mjs';
import { testData } from '../reference/test-data.mjs';

/** The notebook's data: Quora's first 500 duplicates and first 500 others, in the file's order. */
export async function quoraPairs(vectune) {
  const { readRows } = createRequire(import.meta.url)(join(DIST, 'data', 'read.js'));
  return vectune.balance(await readRows(testData('quora', 'quora_pairs.tsv')), { perClass: 500 });
}
