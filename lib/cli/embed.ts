import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Command } from 'commander';
import { checkEncoding } from '../data/text/encoding';
import { readTexts } from '../data/texts';
import { InvalidArgumentError } from '../system/errors';
import { TextVectorisation } from '../text-vectorisation';
import type { EmbedOptions } from '../text-vectorisation-options';
import { addFlags, typedOptions } from './flags';
import { Output } from './output';
import { DownloadDisplay } from './progress';
import { embedFlags, modelFlags } from './tables';
import { animates } from './terminal';
import { StopSignals } from './stop-signals';
import { requireFlags } from './usage';

/** Most texts whose vectors are computed before any is written: enough to compute well, few enough to hold. */
const TEXTS_AT_ONCE = 512;

/** Flags that are the command's own; the others are options of the model or of `embed`. */
interface Flags {
  model: string;
  texts?: string[];
  jsonl?: boolean;
  encoding?: string;
  text: boolean;
  out?: string;
}

/**
 * `vectune embed --model <id|folder> [file]`: each line of the file (or of the standard input) is a text; .gz is
 * unpacked; each line of the output is `{"text": …, "vector": […]}`, in the same order. An empty line is an empty text.
 * What is there is answered at once: a line that a person types, or all that waits in a pipe.
 */
export function registerEmbed(program: Command): void {
  const command = program
    .command('embed')
    .description('Turn texts into vectors, as JSON Lines: each line of a file or of the standard input, or arguments.')
    .argument('[file or texts...]', 'a file with a text in each line, or the texts themselves; - is the standard input')
    .option('--model <id|folder>', 'a name on the hub, or a folder')
    .option('--texts <text...>', 'the texts themselves, whatever they look like')
    .option('--jsonl', 'each line is JSON: a string, or an object with a member "text"; empty lines are skipped')
    .option('--encoding <name>', 'of the texts, as windows-1252 (default: by the byte order mark, else utf-8)');
  requireFlags(command, 'model');
  addFlags(command, modelFlags);
  addFlags(command, embedFlags)
    .option('--out <file>', 'write there; the file appears when all is done (default: the standard output)')
    .option('--no-text', 'print the vectors only: a list per line')
    .action(embed);
}

async function embed(named: string[], flags: Flags, command: Command): Promise<void> {
  const source = await sourceOf(named, flags);
  const options = typedOptions(command, embedFlags) as EmbedOptions;
  const download = new DownloadDisplay();
  const tv = new TextVectorisation(flags.model, {
    ...typedOptions(command, modelFlags),
    onProgress: (event) => download.show(event),
  });
  const output = await Output.open(flags.out);
  const stop = new StopSignals();
  if (source === '-') {
    // Who waits for the next text on standard input is woken by its end alone.
    stop.signal.addEventListener('abort', () => process.stdin.destroy(stop.signal.reason as Error), { once: true });
  }
  try {
    // While a person thinks of the first text.
    tv.load().catch(() => undefined);
    if (source === '-' && process.stdin.isTTY) {
      process.stderr.write('A text in each line; Ctrl-D ends. Other ways: npx vectune embed --help\n');
    }
    let done = 0;
    for await (const texts of batches(source, flags, stop.signal)) {
      const vectors = await tv.embed(texts, { ...options, signal: stop.signal });
      download.end();
      const lines = vectors.map((vector, i) => {
        const numbers = Array.from(vector);
        return JSON.stringify(flags.text ? { text: texts[i], vector: numbers } : numbers);
      });
      if (!(await output.write(`${lines.join('\n')}\n`))) break;
      done += texts.length;
      if (flags.out !== undefined && animates(process.stderr)) process.stderr.write(`\r${done} texts `);
    }
    await output.finish();
    if (flags.out !== undefined) {
      process.stderr.write(
        `${animates(process.stderr) ? '\r' : ''}${done} ${done === 1 ? 'text' : 'texts'}: ${flags.out}\n`,
      );
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error; // whatever the end of standard input is told as
    process.exitCode = stop.exitCode;
  } finally {
    stop.release();
    await output.release();
    download.end();
    await tv.dispose();
  }
}

/** Where the texts come from: a list of them, the path of a file, or '-'. */
async function sourceOf(named: string[], { texts = [], jsonl, encoding }: Flags): Promise<string | string[]> {
  const files = await Promise.all(named.map(looksLikeFile));
  const first = files.findIndex((isFile) => isFile);
  if (texts.length === 0 && named.length === 0) return '-';
  if (texts.length === 0 && named.length === 1 && first === 0) return named[0]!;
  if (first >= 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `"${named[first]}" names a file, but other texts were given too: name one file and nothing else, or give all as --texts.`,
    );
  }
  if (jsonl || encoding !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `${jsonl ? '--jsonl' : '--encoding'} says how a file is read, but the texts are arguments.`,
    );
  }
  return [...named, ...texts];
}

const FILE_ENDINGS = [
  '.txt',
  '.csv',
  '.tsv',
  '.tab',
  '.json',
  '.jsonl',
  '.ndjson',
  '.parquet',
  '.md',
  '.log',
  '.gz',
  '.zip',
  '.xlsx',
];

/** Whether an argument is meant as a file: one is there, or it has the form of a path and could hardly be a text. */
async function looksLikeFile(argument: string): Promise<boolean> {
  if (argument === '-') return true;
  if (
    await stat(argument).then(
      () => true,
      () => false,
    )
  )
    return true;
  if (/\s/.test(argument)) return false;
  return FILE_ENDINGS.includes(extname(argument).toLowerCase()) || /^(\.{0,2}\/|~\/|[A-Za-z]:\\)/.test(argument);
}

/** What there is to embed, some hundred texts at once. */
async function* batches(
  source: string | string[],
  flags: Flags,
  signal: AbortSignal,
): AsyncGenerator<string[], void, undefined> {
  for await (const texts of waiting(source, flags, signal)) {
    for (let i = 0; i < texts.length; i += TEXTS_AT_ONCE) yield texts.slice(i, i + TEXTS_AT_ONCE);
  }
}

function waiting(source: string | string[], flags: Flags, signal: AbortSignal): AsyncIterable<string[]> | string[][] {
  if (Array.isArray(source)) return [source];
  const encoding = flags.encoding === undefined ? undefined : checkEncoding('file.encoding', flags.encoding);
  return readTexts(source === '-' ? process.stdin : source, { json: flags.jsonl === true, encoding, signal });
}
