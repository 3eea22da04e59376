/** Course of the learning rate after warm-up: steady, down to 0 in a straight line, or along half a cosine. */
export type ScheduleKind = 'constant' | 'linear' | 'cosine';

/** Steps of warm-up; a share of all steps is rounded up. */
export function warmupSteps(warmup: { steps: number } | { ratio: number }, totalSteps: number): number {
  return 'steps' in warmup ? warmup.steps : Math.ceil(warmup.ratio * totalSteps);
}

/**
 * Learning rate of one step (counted from 0), as transformers' schedules of the same names: in the w warm-up
 * steps peak · step / w, after them, with x = (step - w) / (total - w), constant: peak; linear: peak · (1 - x);
 * cosine: peak · (1 + cos πx) / 2. `total` counts the steps of all epochs, whether or not training ends earlier.
 */
export function learningRateAt(kind: ScheduleKind, peak: number, step: number, warmup: number, total: number): number {
  if (step < warmup) return (peak * step) / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
  switch (kind) {
    case 'constant':
      return peak;
    case 'linear':
      return peak * (1 - progress);
    case 'cosine':
      return (peak * (1 + Math.cos(Math.PI * progress))) / 2;
  }
}
