import { once } from 'node:events';
import type { Command } from 'commander';
import { checkEncoding } from '../data/text/encoding';
import { readTexts } from '../data/texts';
import { checkDevice } from '../engine/devices';
import { TextVectorisation } from '../text-vectorisation';
import { DownloadDisplay } from './progress';

/** Lines read before their vectors are written: enough to compute well, few enough to hold. */
const LINES_AT_ONCE = 512;

interface Flags {
  model: string;
  jsonl?: boolean;
  encoding?: string;
  device?: string;
  text: boolean;
}

/**
 * `vectune embed --model <id|folder> [file]`: each line of the file (or of the standard input) is a text; .gz is unpacked; each line of
 * the output is `{"text": …, "vector": […]}`, in the same order. An empty line is an empty text.
 */
export function registerEmbed(program: Command): void {
  program
    .command('embed')
    .description('Turn each line of a file into a vector, as JSON Lines.')
    .argument('[file]', 'texts, a line each; - is the standard input', '-')
    .requiredOption('--model <id|folder>', 'a name on the hub, or a folder')
    .option('--jsonl', 'each line is JSON: a string, or an object with a member "text"; empty lines are skipped')
    .option('--encoding <name>', 'of the texts, as windows-1252 (default: by the byte order mark, else utf-8)')
    .option('--device <name>', 'auto, cpu, cuda or a GPU as cuda:1 (default: auto)')
    .option('--no-text', 'print the vectors only: a list per line')
    .action(embed);
}

async function embed(file: string, flags: Flags): Promise<void> {
  const download = new DownloadDisplay();
  const tv = new TextVectorisation(flags.model, {
    ...(flags.device !== undefined && { device: checkDevice('device', flags.device) }),
    onProgress: (event) => download.show(event),
  });
  const output = new Output();
  try {
    for await (const texts of batches(file, flags)) {
      const vectors = await tv.embed(texts);
      download.end();
      const lines = vectors.map((vector, i) => {
        const numbers = Array.from(vector);
        return JSON.stringify(flags.text ? { text: texts[i], vector: numbers } : numbers);
      });
      if (!(await output.write(`${lines.join('\n')}\n`))) break;
    }
  } finally {
    output.release();
    download.end();
    await tv.dispose();
  }
}

/** The standard output at its reader's pace: a slow one must not fill our memory, and one may leave (`… | head`). */
class Output {
  #error: NodeJS.ErrnoException | undefined;
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    this.#error ??= error;
  };

  constructor() {
    process.stdout.on('error', this.#onError);
  }

  /** False where nobody reads any more. */
  async write(text: string): Promise<boolean> {
    if (this.#error === undefined && !process.stdout.write(text)) {
      await once(process.stdout, 'drain').catch(this.#onError);
    }
    if (this.#error !== undefined && this.#error.code !== 'EPIPE') throw this.#error;
    return this.#error === undefined;
  }

  release(): void {
    // The last write may still fail after this; then nobody is there to be told.
    if (this.#error === undefined) process.stdout.once('error', () => undefined);
    process.stdout.removeListener('error', this.#onError);
  }
}

/** The texts of a file, some hundred at once. */
async function* batches(file: string, flags: Flags): AsyncGenerator<string[], void, undefined> {
  const encoding = flags.encoding === undefined ? undefined : checkEncoding('file.encoding', flags.encoding);
  const source = file === '-' ? process.stdin : file;
  for await (const texts of readTexts(source, { json: flags.jsonl === true, encoding })) {
    for (let i = 0; i < texts.length; i += LINES_AT_ONCE) yield texts.slice(i, i + LINES_AT_ONCE);
  }
}
