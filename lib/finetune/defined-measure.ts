import type { TrainingData } from '../data/form';
import { MOST_CLASSES } from '../evaluate/label-classifier';
import type { MeasureName } from './measure';
import { twoValues } from './metrics';
import { margins } from './quality';

/** Why a measure has no value on these rows, whatever the model is; undefined where it has one on enough of them. */
export function whyUndefined(measure: MeasureName, data: TrainingData): string | undefined {
  switch (measure) {
    case 'averagePrecision':
      return twoValues(data.labels) === null
        ? `their labels are ${differ(data.labels, data.rows.length) ? 'more than two values' : 'all the same'}`
        : undefined;
    case 'spearman':
      return differ(data.labels, data.rows.length) ? undefined : 'their scores are all the same';
    case 'teacherAgreement':
      return data.form !== 'candidates' || marginsDiffer(data)
        ? undefined
        : 'the teacher finds every candidate as near as the others';
    case 'labelAccuracy': {
      const classes = new Set(Array.from(data.labels));
      return classes.size > MOST_CLASSES ? `they have ${classes.size} classes, more than ${MOST_CLASSES}` : undefined;
    }
    case 'mrr10':
    case 'knnAccuracy':
    case 'loss':
    case 'average':
      return undefined;
  }
}

function differ(labels: ArrayLike<number>, count: number): boolean {
  for (let i = 1; i < count; ++i) if (labels[i] !== labels[0]) return true;
  return false;
}

function marginsDiffer(data: TrainingData): boolean {
  let first: number | undefined;
  for (const [row, texts] of data.rows.entries()) {
    const similarities = new Float32Array(texts.length - 1);
    for (const margin of margins({ data, rows: Int32Array.of(row) }, similarities).wanted) {
      first ??= margin;
      if (margin !== first) return true;
    }
  }
  return false;
}
