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
  mcc: "Matthews' correlation there",
  knnAccuracy: 'Accuracy of neighbours',
  silhouette: 'Silhouette',
  map: 'MAP',
};

/** A measure as a heading has it. */
export function measureTitle(name: string): string {
  const at = /^(mrr|ndcg|map)(@\d+)$/.exec(name);
  if (at !== null) return at[1]!.toUpperCase() + at[2]!;
  return titles[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}

/** Of which less is better. */
export function lowerIsBetter(name: string): boolean {
  return name === 'loss';
}
