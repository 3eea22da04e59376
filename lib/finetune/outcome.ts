/**
 * What became of the weights of an epoch, or of those of a run. 'taken': the model has them. 'not-better': no better in the
 * measure of the run than what the model had. 'not-shown': better, by no more than chance makes of so few rows.
 * 'keep-failed': no share of them keeps what must be kept.
 */
export type Outcome = 'taken' | 'not-better' | 'not-shown' | 'keep-failed';

/** Of a run: why the model is as it was, where it is, by the epoch that came nearest to being taken. */
export function outcomeOf(bestEpoch: number, epochs: readonly { outcome?: Outcome }[]): Outcome {
  if (bestEpoch > 0) return 'taken';
  const nearest = (['not-shown', 'keep-failed'] as const).find((one) => epochs.some(({ outcome }) => outcome === one));
  return nearest ?? 'not-better';
}
