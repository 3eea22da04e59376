import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { show } from '../system/options';
import { InvalidArgumentError } from '../system/errors';
import { checkDevice } from '../engine/devices';
import { TextVectorisation } from '../text-vectorisation';
import { DownloadDisplay } from './progress';

/** Lines read before their vectors are written: enough to compute well, few enough to hold. */
const LINES_AT_ONCE = 512;

interface Flags {
  model: string;
  jsonl?: boolean;
  device?: string;
  text: boolean;
}

/**
 * `vectune embed --model <id|folder> [file]`: each line of the file (or of the standard input) is a text; each line of
 * the output is `{"text": …, "vector": […]}`, in the same order. An empty line is an empty text.
 */
export function registerEmbed(program: Command): void {
  program
    .command('embed')
    .description('Turn each line of a file into a vector, as JSON Lines.')
    .argument('[file]', 'texts, a line each; - is the standard input', '-')
    .requiredOption('--model <id|folder>', 'a name on the hub, or a folder')
    .option('--jsonl', 'each line is JSON: a string, or an object with a member "text"')
    .option('--device <name>', 'auto, cpu, cuda or a GPU as cuda:1 (default: auto)')
    .option('--no-text', 'print the vectors only: a list per line')
    .action(embed);
}

async function embed(file: string, flags: Flags): Promise<void> {
  const download = new DownloadDisplay();
  const tv = new TextVectorisation(flags.model, {
    ...(flags.device !== undefined && { device: checkDevice(flags.device) }),
    onProgress: (event) => download.show(event),
  });
  const output = new Output();
  try {
    for await (const texts of batches(file, flags.jsonl === true)) {
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
async function* batches(file: string, jsonl: boolean): AsyncGenerator<string[], void, undefined> {
  const input = file === '-' ? process.stdin : createReadStream(file);
  if (file !== '-') {
    await once(input, 'open').catch((cause: unknown) => {
      throw new InvalidArgumentError('ERR_DATA_FILE', `${file} cannot be read: ${(cause as Error).message}`, {
        cause,
        file,
      });
    });
  }
  let texts: string[] = [];
  let line = 0;
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    texts.push(jsonl ? textOf(text, file, line) : text);
    ++line;
    if (texts.length < LINES_AT_ONCE) continue;
    yield texts;
    texts = [];
  }
  if (texts.length > 0) yield texts;
}

function textOf(line: string, file: string, row: number): string {
  const place = `${file === '-' ? 'the standard input' : file}, line ${row + 1}`;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${place} is not JSON: ${(cause as Error).message}`, {
      cause,
      row,
      file,
    });
  }
  const text: unknown = typeof value === 'object' && value !== null ? (value as { text?: unknown }).text : value;
  if (typeof text === 'string') return text;
  throw new InvalidArgumentError(
    'ERR_TEXT_TYPE',
    `${place} must be a string or an object with a string "text", but is ` + `${show(value)}.`,
    { row, file },
  );
}
