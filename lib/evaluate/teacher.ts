import { performance } from 'node:perf_hooks';
import { isList } from '../data/cells';
import { checkText } from '../data/validate';
import type { Vector } from '../embed/similarity';
import { InvalidArgumentError } from '../system/errors';
import { resolveTable } from '../system/option-table';
import { show } from '../system/options';
import { blocks, BLOCK_TEXTS, lengthOf, type EmbeddingModel } from './embedding';
import { embedderOf, evaluation, Means, type Evaluation, type Observation } from './evaluation';
import { evaluateTable, type EvaluateOptions, type ResolvedEvaluateOptions } from './options';
import { asObject, tooFew } from './similarity';
import { comparePairs, type SimilarityName } from './similarities';
import { inPieces } from './work';

/** A text and the vector that a teacher gives it. */
export interface TeacherRow {
  /** The text. */
  text: string;
  /** As many numbers as the model's vectors have. */
  vector: ArrayLike<number>;
}

/** How near a model's vectors are to a teacher's. */
export interface TeacherMetrics {
  /** Mean cosine (or what `similarity` says) of a text's vector with the teacher's; of the cosine from -1 to 1. */
  teacherAgreement: number;
}

/**
 * How far a model agrees with a teacher's vectors: the mean similarity of each text's vector with the one that the teacher
 * gave it, as `finetune` measures it.
 *
 * @throws InvalidArgumentError ERR_LENGTH_MISMATCH: the teacher's vectors have another length than the model's; a row or an
 *   option; AbortError; and what the model's `embed` rejects with
 */
export async function evaluateTeacherAgreement(
  model: EmbeddingModel,
  rows: Iterable<TeacherRow> | AsyncIterable<TeacherRow>,
  options?: EvaluateOptions,
): Promise<Evaluation<TeacherMetrics>> {
  const resolved = resolveTable(evaluateTable, options, { name: 'evaluateTeacherAgreement', path: '' });
  return evaluation(await observeTeacherAgreement(model, rows, resolved), resolved);
}

export async function observeTeacherAgreement(
  model: EmbeddingModel,
  rows: Iterable<TeacherRow> | AsyncIterable<TeacherRow>,
  resolved: ResolvedEvaluateOptions,
): Promise<Observation<TeacherMetrics>> {
  const begun = performance.now();
  const embedder = embedderOf(model, resolved, 'teacher-agreement');
  embedder.expect('text', lengthOf(rows));
  const values = new Map<SimilarityName, number[]>(resolved.similarity.map((name) => [name, []]));
  let row = 0;
  for await (const block of blocks(rows, BLOCK_TEXTS)) {
    const first = row;
    const wanted: Vector[] = [];
    const texts = block.map((element) => {
      const { text, vector } = asObject(element, '{ text, vector }', row);
      wanted.push(vectorOf(vector, row));
      return checkText(text, 'text', { row: row++ });
    });
    const vectors = await embedder.embed(texts, 'text');
    const odd = wanted.findIndex((vector, i) => vector.length !== vectors[i]!.length);
    if (odd >= 0) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `The teacher's vectors must have as many numbers as the model's, ${embedder.dimensions}, but that of row ${first + odd} (counted from 0) has ${wanted[odd]!.length}.`,
        { row: first + odd },
      );
    }
    for (const [name, list] of values)
      for (const one of await inPieces(comparePairs(vectors, wanted, name), resolved.signal)) list.push(one);
  }
  if (row === 0) throw tooFew("texts with a teacher's vector", 1, 0);
  const observed = new Map(
    [...values].map(([name, list]) => {
      const agreement = { teacherAgreement: Float64Array.from(list) };
      return [name, new Means<TeacherMetrics>('teacher-agreement', 'texts', 'teacherAgreement', agreement)] as const;
    }),
  );
  return { observed, embedder, begun };
}

function vectorOf(vector: unknown, row: number): Vector {
  if (isList(vector) && Array.from(vector).every((one) => Number.isFinite(one))) return vector as Vector;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `A teacher's vector must be a list of finite numbers, but that of row ${row} (counted from 0) is ${show(vector)}.`,
    { row },
  );
}
