import type { NativeLoss } from '../../engine/training';

/** The loss of one row by the cosine of its two texts and its label. */
export type RowLoss = (similarity: number, label: number) => number;

/** Of a loss whose value is the mean of the losses of single rows, and those follow from cosine and label; null of others. */
export function rowLosses(loss: NativeLoss): RowLoss | null {
  switch (loss.name) {
    case 'cosine-mse':
      return (similarity, label) => (similarity - label) ** 2;
    case 'logistic': {
      const { threshold, scale = 20 } = loss as { threshold?: number; scale?: number };
      if (threshold === undefined) return null;
      return (similarity, label) => {
        const z = scale * (similarity - threshold);
        // log(1 + e^z) without leaving the range of numbers.
        return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - label * z;
      };
    }
    default:
      return null;
  }
}
