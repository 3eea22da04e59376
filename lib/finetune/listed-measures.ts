import type { ValidationMetrics } from './metrics';

/** The measures of validation rows by their names, in the order in which they are listed. */
export const listedMeasures: readonly (readonly [
  name: string,
  of: (metrics: ValidationMetrics) => number | null | undefined,
])[] = [
  ['loss', (m) => m.loss],
  ['pearson', (m) => m.pearson],
  ['spearman', (m) => m.spearman],
  ['averagePrecision', (m) => m.averagePrecision],
  ['f1', (m) => m.f1?.value],
  ['accuracy', (m) => m.accuracy?.value],
  ['mcc', (m) => m.mcc],
  ['tripletAccuracy', (m) => m.tripletAccuracy],
  ['ownMrr10', (m) => m.ownMrr10],
  ['mrr10', (m) => m.retrieval?.mrr10],
  ['ndcg10', (m) => m.retrieval?.ndcg10],
  ['recall1', (m) => m.retrieval?.recall1],
  ['recall3', (m) => m.retrieval?.recall3],
  ['recall5', (m) => m.retrieval?.recall5],
  ['recall10', (m) => m.retrieval?.recall10],
  ['accuracy1', (m) => m.retrieval?.accuracy1],
  ['knnAccuracy', (m) => m.knnAccuracy],
  ['labelAccuracy', (m) => m.labelAccuracy],
  ['silhouette', (m) => m.silhouette],
  ['teacherAgreement', (m) => m.teacherAgreement],
  ['average', (m) => m.average],
];
