import type { ValidationMetrics } from '../finetune/metrics';
import { fixed } from './numbers';

interface Measure {
  label: string;
  of: (metrics: ValidationMetrics) => number | null | undefined;
  /** Whether a lower number is the better one. */
  lower?: boolean;
}

const measures: readonly Measure[] = [
  { label: 'loss (lower is better)', of: (m) => m.loss, lower: true },
  { label: 'Pearson', of: (m) => m.pearson },
  { label: 'Spearman', of: (m) => m.spearman },
  { label: 'average precision', of: (m) => m.averagePrecision },
  { label: 'best F1', of: (m) => m.f1?.value },
  { label: 'best accuracy', of: (m) => m.accuracy?.value },
  { label: 'MCC at best F1', of: (m) => m.mcc },
  { label: 'triplet accuracy', of: (m) => m.tripletAccuracy },
  { label: 'MRR@10 among own negatives', of: (m) => m.ownMrr10 },
  { label: 'MRR@10', of: (m) => m.retrieval?.mrr10 },
  { label: 'NDCG@10', of: (m) => m.retrieval?.ndcg10 },
  { label: 'recall@10', of: (m) => m.retrieval?.recall10 },
  { label: 'accuracy@1', of: (m) => m.retrieval?.accuracy1 },
  { label: 'accuracy of neighbours', of: (m) => m.knnAccuracy },
  { label: 'silhouette', of: (m) => m.silhouette },
  { label: 'agreement with the teacher', of: (m) => m.teacherAgreement },
  { label: "mean of the sets' measures", of: (m) => m.average },
];

/** What was measured before and after, a line each; measures that the data does not have are left out. */
export function comparison(title: string, before: ValidationMetrics, after: ValidationMetrics): string {
  const lines = [`${title.padEnd(30)}${'before'.padStart(9)}${'after'.padStart(9)}`];
  for (const { label, of, lower = false } of measures) {
    const from = of(before) ?? null;
    const to = of(after) ?? null;
    if (from === null && to === null) continue;
    lines.push(`${label.padEnd(30)}${number(from)}${number(to)}  ${verdict(from, to, lower)}`.trimEnd());
  }
  for (const [name, own] of Object.entries(before.sets ?? {}))
    lines.push('', comparison(name, own, after.sets?.[name] ?? own));
  return lines.join('\n');
}

/** Judged by what is printed: a difference in a digit that nobody sees is none. */
function verdict(before: number | null, after: number | null, lower: boolean): string {
  if (before === null || after === null) return '';
  if (number(before) === number(after)) return 'the same';
  return after < before === lower ? 'better' : 'WORSE';
}

function number(value: number | null): string {
  return fixed(value).padStart(9);
}
