import type { AtomicFile } from '../../system/atomic-file';
import type { TextVectors, VectorFile } from './vector-file';

/** Vectors that become text before the event loop gets its turn. */
const AT_ONCE = 64;

/** `{"text": …, "vector": […]}`, or the list alone where there is no text; without the line's end. */
export function jsonLine(vector: Float32Array, text: string | undefined): string {
  const numbers = Array.from(vector);
  return JSON.stringify(text === undefined ? numbers : { text, vector: numbers });
}

export class JsonLinesFile implements VectorFile {
  constructor(
    readonly file: AtomicFile,
    readonly withTexts: boolean,
  ) {}

  async write({ texts, data, width }: TextVectors): Promise<void> {
    for (let from = 0; from < texts.length; from += AT_ONCE) {
      const lines = texts.slice(from, from + AT_ONCE).map((text, i) => {
        const vector = data.subarray((from + i) * width, (from + i + 1) * width);
        return `${jsonLine(vector, this.withTexts ? text : undefined)}\n`;
      });
      await this.file.write(lines.join(''));
    }
  }

  async end(): Promise<void> {}
}
