import type { DataForm } from '../data/form';

/** The evaluators, by the names that `Evaluation.form` has for them. */
export const evaluationTasks = [
  'similarity',
  'binary',
  'triplet',
  'reranking',
  'retrieval',
  'classes',
  'paraphrase-mining',
  'teacher-agreement',
  'label-accuracy',
] as const;
/** What is measured: see the evaluator of that name. */
export type EvaluationTask = (typeof evaluationTasks)[number];

/**
 * How rows of a form can be measured, the evaluator that is taken unless another is asked for first.
 *
 * @param width most texts of a row
 * @param positiveFirst whether the first of a query's candidates is known to belong to it
 */
export function tasksOf(form: DataForm, width: number, positiveFirst: boolean): readonly EvaluationTask[] {
  switch (form) {
    case 'scored-pairs':
      return ['similarity'];
    case 'labelled-pairs':
      return ['binary', 'similarity', 'paraphrase-mining', 'label-accuracy'];
    case 'positive-pairs':
      return ['retrieval', 'paraphrase-mining'];
    case 'candidates':
    case 'triplets':
      if (form === 'candidates' && !positiveFirst) return ['similarity'];
      return width === 3 ? ['triplet', 'reranking', 'retrieval'] : ['reranking', 'triplet', 'retrieval'];
    case 'classes':
      return ['classes'];
    case 'vectors':
      return ['teacher-agreement'];
    case 'classified-pairs':
      return ['label-accuracy'];
  }
}
