/** A line of a text, without its end. */
export interface Line {
  text: string;
  /** From 1. */
  number: number;
}

/** Characters that a line may have: a text without line ends must not fill the memory. */
export const longestLine = 10_000_000;

/** A line that is longer than any that a person writes. */
export class LongLineError extends Error {
  constructor(readonly line: number) {
    super(`the line is longer than ${longestLine / 1e6} million characters`);
  }
}

/**
 * Cuts a text into lines, which end at LF or CR LF and nowhere else: U+2028 and its like are characters of a text (Node's
 * readline ends lines at them). The end of the text ends its last line, unless that is empty. Gives the lines of each
 * piece together.
 */
export async function* splitLines(pieces: AsyncIterable<string>): AsyncGenerator<Line[], void, undefined> {
  let rest: string[] = [];
  let held = 0;
  let number = 0;
  const whole = (end: string): Line => {
    let text = rest.length === 0 ? end : rest.join('') + end;
    rest = [];
    held = 0;
    if (text.endsWith('\r')) text = text.slice(0, -1);
    return { text, number: ++number };
  };
  for await (const piece of pieces) {
    const lines: Line[] = [];
    let from = 0;
    for (let at = piece.indexOf('\n'); at >= 0; at = piece.indexOf('\n', from)) {
      lines.push(whole(piece.slice(from, at)));
      from = at + 1;
    }
    if (from < piece.length) {
      rest.push(piece.slice(from));
      held += piece.length - from;
      if (held > longestLine) throw new LongLineError(number + 1);
    }
    if (lines.length > 0) yield lines;
  }
  if (held > 0) yield [whole('')];
}
