import { comparePairs } from '../evaluate/similarities';
import type { DataSet } from '../evaluate/data-set';
import type { BlockEmbedder, TextRole } from '../evaluate/embedding';
import { classPairs, nextOther, type PlacePair } from '../evaluate/others';
import { relevantIds } from '../evaluate/retrieval';
import { inPieces } from '../evaluate/work';
import type { RunCloseness } from './record';

/** Pairs of each kind at most. */
const MOST_PAIRS = 2048;

type Pair = readonly [string, string];

/** Texts of data that belong together, and texts that do not. */
export interface NearPairs extends Pick<RunCloseness, 'togetherWith' | 'apartFrom'> {
  together: readonly Pair[];
  apart: readonly Pair[];
  roles: readonly [TextRole, TextRole];
}

/** Null where the form says it otherwise (pairs with labels or scores), or the corpus is not in memory. */
export function nearPairs(set: DataSet): NearPairs | null {
  const roles = ['query', 'document'] as const;
  switch (set.form) {
    case 'triplet': {
      const rows = set.rows.slice(0, MOST_PAIRS);
      return {
        together: rows.map(({ anchor, positive }) => [anchor, positive]),
        apart: rows.map(({ anchor, negative }) => [anchor, negative]),
        apartFrom: 'own negatives',
        roles,
      };
    }
    case 'reranking': {
      const rows = set.rows.slice(0, MOST_PAIRS);
      const pairs = (of: 'positive' | 'negative'): Pair[] =>
        rows.flatMap((row) => [row[of]].flat().map((text): Pair => [row.query, text])).slice(0, MOST_PAIRS);
      return { together: pairs('positive'), apart: pairs('negative'), apartFrom: 'own negatives', roles };
    }
    case 'retrieval': {
      if (!Array.isArray(set.data.corpus)) return null;
      const texts = new Map((set.data.corpus as { id: string; text: string }[]).map(({ id, text }) => [id, text]));
      const queries = set.queries.slice(0, MOST_PAIRS).map(({ id, text }) => ({
        text,
        own: new Set([...relevantIds(set.data.relevant, id)].flatMap((one) => texts.get(one) ?? [])),
      }));
      const apart = queries.flatMap(({ text, own }, i): Pair[] => {
        const other = nextOther(queries, i, (next) => [...next.own].find((one) => one !== text && !own.has(one)));
        return other === undefined ? [] : [[text, other]];
      });
      return {
        together: queries.flatMap(({ text, own }) => [...own].slice(0, 1).map((one): Pair => [text, one])),
        apart,
        apartFrom: "another query's text",
        roles,
      };
    }
    case 'classes': {
      const rows = set.rows.slice(0, MOST_PAIRS);
      const { together, apart } = classPairs(rows.map(({ label }) => label));
      const pairOf = ([left, right]: PlacePair): Pair => [rows[left]!.text, rows[right]!.text];
      return {
        together: together.map(pairOf),
        apart: apart.map(pairOf),
        togetherWith: 'texts of one class',
        apartFrom: 'texts of two classes',
        roles: ['text', 'text'],
      };
    }
    case 'similarity':
    case 'binary':
    case 'teacher-agreement':
    case 'label-accuracy':
    case 'paraphrase-mining':
      return null;
  }
}

/** Cosines of pairs under a model, rounded as a record keeps them. */
export async function cosinesOf(
  pairs: readonly Pair[],
  [left, right]: NearPairs['roles'],
  embedder: BlockEmbedder,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const vectors = [
    await embedder.embed(
      pairs.map(([text]) => text),
      left,
    ),
    await embedder.embed(
      pairs.map(([, text]) => text),
      right,
    ),
  ] as const;
  const found = await inPieces(comparePairs(vectors[0], vectors[1], 'cosine'), signal);
  return Array.from(found, (value) => Number(value.toFixed(5)));
}
