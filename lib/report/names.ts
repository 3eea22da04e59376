import type { RunRecord } from './record';

const titles: Record<string, string> = {
  loss: 'Loss',
  spearman: 'Spearman',
  pearson: 'Pearson',
  averagePrecision: 'Average precision',
  f1: 'Best F1',
  f1Threshold: 'Threshold of best F1',
  precision: 'Precision there',
  recall: 'Recall there',
  accuracy: 'Best accuracy',
  accuracyThreshold: 'Threshold of best accuracy',
  mcc: "Matthews' correlation at best F1",
  knnAccuracy: 'Accuracy of neighbours',
  labelAccuracy: 'Accuracy of classes',
  silhouette: 'Silhouette',
  map: 'MAP',
  mrr10: 'MRR@10',
  ndcg10: 'NDCG@10',
  recall1: 'Recall@1',
  recall3: 'Recall@3',
  recall5: 'Recall@5',
  recall10: 'Recall@10',
  accuracy1: 'Accuracy@1',
  tripletAccuracy: 'Triplet accuracy',
  ownMrr10: 'MRR@10 among own negatives',
  teacherAgreement: 'Agreement with the teacher',
  average: "Mean of the sets' measures",
};

/** A measure of one of several data sets: `questions: mrr10`. */
const ofSet = /^(.*: )(\w[^:]*)$/s;

/** A measure as a heading has it. */
export function measureTitle(name: string): string {
  const [, set, own] = ofSet.exec(name) ?? [];
  if (set !== undefined) return set + measureTitle(own!);
  const at = /^(mrr|ndcg|map)(@\d+)$/.exec(name);
  if (at !== null) return at[1]!.toUpperCase() + at[2]!;
  return titles[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}

/** The same within a sentence. */
export function measureWords(name: string): string {
  const title = measureTitle(name);
  return /^(?:Spearman|Pearson|Matthews|[A-Z]{2})/.test(title) ? title : title.charAt(0).toLowerCase() + title.slice(1);
}

/** What the rows that were measured are called. */
export function rowsWords({ comparison }: Pick<RunRecord, 'comparison'>): string {
  return comparison?.of == null ? 'the validation rows' : `the rows of ${comparison.of.name}`;
}

/** Of which less is better. */
export function lowerIsBetter(name: string): boolean {
  return name === 'loss' || ofSet.exec(name)?.[2] === 'loss';
}
