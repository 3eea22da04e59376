import type { Vector } from '../embed/similarity';
import type { ResolvedEvaluateOptions } from './options';
import { blocks, BLOCK_TEXTS, lengthOf, type BlockEmbedder, type TextRole } from './embedding';
import { comparePairs, type SimilarityName } from './similarities';
import { inPieces } from './work';

/** Similarities of two texts of each row under each function, from rows that come in blocks. */
export async function pairSimilarities<Row>(
  rows: Iterable<Row> | AsyncIterable<Row>,
  textsOf: (row: Row, index: number) => readonly [string, string],
  embedder: BlockEmbedder,
  { similarity: names, signal }: Pick<ResolvedEvaluateOptions, 'similarity' | 'signal'>,
  roles: readonly [TextRole, TextRole] = ['text', 'text'],
  /** Rows that will come; null where that is not known. */
  expected: number | null = lengthOf(rows),
): Promise<Map<SimilarityName, Float32Array>> {
  const [left, right] = roles;
  for (const role of roles) embedder.expect(role, expected === null ? null : (left === right ? 2 : 1) * expected);
  const parts = new Map<SimilarityName, Float32Array[]>(names.map((name) => [name, []]));
  let index = 0;
  for await (const block of blocks(rows, BLOCK_TEXTS / 2)) {
    const pairs = block.map((row) => textsOf(row, index++));
    const [lefts, rights] = await embedSides(pairs, embedder, roles);
    for (const [name, list] of parts) list.push(await inPieces(comparePairs(lefts, rights, name), signal));
  }
  return new Map([...parts].map(([name, list]) => [name, joined(list)]));
}

/** A text that stands on both sides is embedded once, unless the sides have roles of their own. */
async function embedSides(
  pairs: readonly (readonly [string, string])[],
  embedder: BlockEmbedder,
  [left, right]: readonly [TextRole, TextRole],
): Promise<[Vector[], Vector[]]> {
  const lefts = pairs.map(([text]) => text);
  const rights = pairs.map(([, text]) => text);
  if (left !== right) return [await embedder.embed(lefts, left), await embedder.embed(rights, right)];
  const both = await embedder.embed([...lefts, ...rights], left);
  return [both.slice(0, pairs.length), both.slice(pairs.length)];
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
