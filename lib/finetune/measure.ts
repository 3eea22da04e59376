import type { DataForm } from '../data/form';
import type { ValidationMetrics } from './metrics';

/**
 * What a run goes by: which epoch is the best, when to stop, how much of the trained weights to take. 'loss' is the loss
 * that is trained; the others are measures of what the model is for, of the validation rows. 'average' is the mean of those
 * of several data sets.
 */
export type MeasureName =
  | 'loss'
  | 'averagePrecision'
  | 'spearman'
  | 'mrr10'
  | 'knnAccuracy'
  | 'labelAccuracy'
  | 'teacherAgreement'
  | 'average';

interface Measure {
  /** As people call it. */
  words: string;
  of: (metrics: ValidationMetrics) => number | null | undefined;
  /** Whether a lower number is the better one. */
  lower?: true;
}

export const measures: Readonly<Record<MeasureName, Measure>> = {
  loss: { words: 'loss', of: (m) => m.loss, lower: true },
  averagePrecision: { words: 'average precision', of: (m) => m.averagePrecision },
  spearman: { words: 'Spearman', of: (m) => m.spearman },
  mrr10: { words: 'MRR@10', of: (m) => m.retrieval?.mrr10 },
  knnAccuracy: { words: 'accuracy of neighbours', of: (m) => m.knnAccuracy },
  labelAccuracy: { words: 'accuracy of classes', of: (m) => m.labelAccuracy },
  teacherAgreement: { words: 'agreement with the teacher', of: (m) => m.teacherAgreement },
  average: { words: "mean of the sets' measures", of: (m) => m.average },
};

/** Those that can be asked for: 'average' is what several data sets go by together. */
export const measureNames = (Object.keys(measures) as MeasureName[]).filter((name) => name !== 'average');

/** Those that rows of a form have, the one to go by first. */
export function measuresOf(form: DataForm): MeasureName[] {
  switch (form) {
    case 'labelled-pairs':
      return ['averagePrecision', 'spearman', 'loss'];
    case 'scored-pairs':
      return ['spearman', 'averagePrecision', 'loss'];
    case 'positive-pairs':
    case 'triplets':
      return ['mrr10', 'loss'];
    case 'classified-pairs':
      return ['labelAccuracy', 'loss'];
    case 'classes':
      return ['knnAccuracy', 'loss'];
    case 'vectors':
    case 'candidates':
      return ['teacherAgreement', 'loss'];
  }
}

/** A measure's value; null where it is not defined on these rows. */
export function measureValue(measure: MeasureName, metrics: ValidationMetrics): number | null {
  const value = measures[measure].of(metrics) ?? null;
  return value === null || Number.isNaN(value) ? null : value;
}

/** The same as a number of which the lower is the better; infinite where there is none. */
export function costOf(measure: MeasureName, metrics: ValidationMetrics): number {
  const value = measureValue(measure, metrics);
  if (value === null) return Infinity;
  return measures[measure].lower === true ? value : -value;
}
