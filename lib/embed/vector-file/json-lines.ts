import type { AtomicFile } from '../../system/atomic-file';
import type { Beside, TextVectors, VectorFile } from './vector-file';

/** Vectors that become text before the event loop gets its turn. */
const AT_ONCE = 64;

/** `{"id": …, "text": …, "vector": […]}`, or the list alone where nothing stands beside it; without the line's end. */
export function jsonLine(vector: Float32Array, beside: { id?: string | number; text?: string }): string {
  const numbers = Array.from(vector);
  return JSON.stringify(Object.keys(beside).length === 0 ? numbers : { ...beside, vector: numbers });
}

export class JsonLinesFile implements VectorFile {
  constructor(
    readonly file: AtomicFile,
    readonly beside: Beside,
  ) {}

  async write({ texts, ids, data, width }: TextVectors): Promise<void> {
    for (let from = 0; from < texts.length; from += AT_ONCE) {
      const lines = texts.slice(from, from + AT_ONCE).map((text, i) => {
        const vector = data.subarray((from + i) * width, (from + i + 1) * width);
        const id = this.beside.ids ? ids![from + i]! : undefined;
        return `${jsonLine(vector, { ...(id !== undefined && { id }), ...(this.beside.texts && { text }) })}\n`;
      });
      await this.file.write(lines.join(''));
    }
  }

  async end(): Promise<void> {}
}
