/**
 * What became of the weights of an epoch, or of those of a run. 'taken': the model has them. 'not-better': no better in the
 * measure of the run than what the model had. 'not-shown': better, by no more than chance makes of so few rows.
 * 'keep-failed': no share of them keeps what must be kept.
 */
export type Outcome = 'taken' | 'not-better' | 'not-shown' | 'keep-failed';
