/** Where progress is shown. */
export type ProgressStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

/** Whether a line may be drawn again and again: by a person's terminal, not by a log that keeps every byte. */
export function animates(stream: ProgressStream): boolean {
  const { CI, NO_COLOR, TERM } = process.env;
  const inCi = CI !== undefined && !['', '0', 'false'].includes(CI.toLowerCase());
  return stream.isTTY === true && !inCi && TERM !== 'dumb' && (NO_COLOR ?? '') === '';
}
