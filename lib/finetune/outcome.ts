import type { Outcome } from '../report/outcome';

/** Of a run: why the model is as it was, where it is, by the epoch that came nearest to being taken. */
export function outcomeOf(bestEpoch: number, epochs: readonly { outcome?: Outcome }[]): Outcome {
  if (bestEpoch > 0) return 'taken';
  const nearest = (['not-shown', 'keep-failed'] as const).find((one) => epochs.some(({ outcome }) => outcome === one));
  return nearest ?? 'not-better';
}
