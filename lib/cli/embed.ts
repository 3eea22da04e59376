import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Command } from 'commander';
import { counted } from '../data/form';
import { checkEncoding } from '../data/text/encoding';
import { TextRows, type TextRow } from '../data/text-rows';
import { embedOf } from '../embed/batches';
import { embedFile, textRowsOptions, type EmbedFileOptions } from '../embed/embed-file';
import { jsonLine } from '../embed/vector-file/json-lines';
import { InvalidArgumentError } from '../system/errors';
import { unpromptedNote } from '../model/prompts';
import { ofModel, TextVectorisation } from '../text-vectorisation';
import type { EmbedOptions } from '../text-vectorisation-options';
import { addFlags, typedOptions } from './flags';
import { Output } from './output';
import { DownloadDisplay } from './download-display';
import { EmbedDisplay } from './embed-display';
import { StopSignals } from './stop-signals';
import { embedFileFlags, embedFlags, modelFlags } from './tables';
import { requireFlags } from './usage';

/** Most texts whose vectors are computed before any is written: enough to compute well, few enough to hold. */
const TEXTS_AT_ONCE = 512;

/** Flags that are the command's own; the others are options of the model, of `embed` or of `embedFile`. */
interface Flags {
  model: string;
  texts?: string[];
  out?: string;
}

/** How the texts are read, and how their vectors are written. */
type FileOptions = Pick<
  EmbedFileOptions,
  'format' | 'text' | 'json' | 'encoding' | 'inputFormat' | 'textColumn' | 'idColumn' | 'titleColumn' | 'file' | 'role'
>;
/** Of those the ones that say how a file of texts is read, and their flags. */
const OF_FILES: readonly [keyof FileOptions, string][] = [
  ['json', '--jsonl'],
  ['encoding', '--encoding'],
  ['inputFormat', '--input-format'],
  ['textColumn', '--text-column'],
  ['idColumn', '--id-column'],
  ['titleColumn', '--title-column'],
  ['file', '--no-header, --no-quoting or --delimiter'],
];

/**
 * `vectune embed --model <id|folder> [file]`: each line of the file (or of the standard input) is a text, and of .csv, .tsv,
 * .jsonl, .json and .parquet each row's column of texts; .gz is unpacked; each line of the output is
 * `{"id": …, "text": …, "vector": […]}`, in the same order. An empty line is an empty text. What is there is answered at once: a line that a person types, or all that waits in a pipe. With `--out` the vectors go
 * to a file of JSON Lines, Parquet or .npy.
 */
export function registerEmbed(program: Command): void {
  const command = program
    .command('embed')
    .description(
      'Turn texts into vectors, as JSON Lines, Parquet or .npy: each line or row of a file, of the standard input, or arguments.',
    )
    .argument(
      '[file or texts...]',
      'a file with a text in each line, .csv, .tsv, .jsonl, .json or .parquet, or the texts themselves; - is the standard input',
    )
    .option('--model <id|folder>', 'a name on the hub, or a folder')
    .option('--texts <text...>', 'the texts themselves, whatever they look like');
  requireFlags(command, 'model');
  addFlags(command, modelFlags);
  addFlags(command, embedFlags);
  addFlags(command, embedFileFlags)
    .option('--out <file>', 'write there; the file appears when all is done (default: the standard output)')
    .action(embed);
}

async function embed(named: string[], flags: Flags, command: Command): Promise<void> {
  const fileOptions = typedOptions(command, embedFileFlags) as FileOptions;
  const source = await sourceOf(named, flags, fileOptions);
  const options = typedOptions(command, embedFlags) as EmbedOptions;
  if (flags.out === undefined && fileOptions.format !== undefined && fileOptions.format !== 'jsonl') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `--format ${fileOptions.format} is for a file: name it with --out.`,
    );
  }
  const download = new DownloadDisplay();
  const tv = new TextVectorisation(flags.model, {
    ...typedOptions(command, modelFlags),
    onProgress: (event) => download.show(event),
  });
  const stop = new StopSignals();
  if (source === '-') {
    // Who waits for the next text on standard input is woken by its end alone.
    stop.signal.addEventListener('abort', () => process.stdin.destroy(stop.signal.reason as Error), { once: true });
  }
  try {
    // While a person thinks of the first text.
    const told = ofModel.loaded(tv, 'embed').then(
      ({ opened }) => {
        download.end();
        for (const note of opened.layout.notes) process.stderr.write(`note: ${note}\n`);
      },
      () => undefined, // told by whoever needs the model
    );
    if (source === '-' && process.stdin.isTTY) {
      process.stderr.write('A text in each line; Ctrl-D ends. Other ways: npx vectune embed --help\n');
    }
    const work = { tv, source, fileOptions, options, signal: stop.signal, onBegun: () => download.end() };
    embedOf(tv, { role: fileOptions.role, embed: options });
    if (flags.out === undefined) await print(work);
    else await writeFile(work, flags.out);
    await told;
    if (options.prompt === undefined && fileOptions.role === undefined) {
      const { opened } = await ofModel.loaded(tv, 'embed');
      if (opened.layout.needsPrompt && opened.defaultPrompt === '')
        process.stderr.write(`note: ${unpromptedNote(opened, '--role query or --role document, or --prompt')}\n`);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error; // whatever the end of standard input is told as
    process.exitCode = stop.exitCode;
  } finally {
    stop.release();
    download.end();
    await tv.dispose();
  }
}

interface Work {
  tv: TextVectorisation;
  /** Texts, the path of a file, or '-'. */
  source: string | string[];
  fileOptions: FileOptions;
  options: EmbedOptions;
  signal: AbortSignal;
  /** The model is there. */
  onBegun: () => void;
}

/** To the standard output, what is there at once. */
async function print({ tv, source, fileOptions, options, signal, onBegun }: Work): Promise<void> {
  const embedTexts = embedOf(tv, { role: fileOptions.role, embed: options });
  const output = await Output.open(undefined);
  try {
    for await (const waiting of await waitingRows(source, fileOptions, signal)) {
      for (let i = 0; i < waiting.length; i += TEXTS_AT_ONCE) {
        const rows = waiting.slice(i, i + TEXTS_AT_ONCE);
        const texts = rows.map(({ text }) => text);
        const vectors = (await embedTexts(texts, { ...options, signal })) as Float32Array[];
        onBegun();
        const lines = vectors.map((vector, j) => {
          const { id, text } = rows[j]!;
          return jsonLine(vector, { ...(id !== undefined && { id }), ...(fileOptions.text !== false && { text }) });
        });
        if (!(await output.write(`${lines.join('\n')}\n`))) return;
      }
    }
  } finally {
    await output.release();
  }
}

async function writeFile(work: Work, file: string): Promise<void> {
  const { tv, source, fileOptions, options, signal, onBegun } = work;
  const display = new EmbedDisplay();
  try {
    // What says how the standard input is read is used up here.
    const { format, text, role, ...reading } = fileOptions;
    const ofInput = source === '-';
    const texts = ofInput ? oneByOne(await waitingRows(source, fileOptions, signal)) : source;
    const { count } = await embedFile(tv, texts, file, {
      ...(format !== undefined && { format }),
      ...(text !== undefined && { text }),
      ...(role !== undefined && { role }),
      ...(ofInput ? {} : reading),
      embed: options,
      signal,
      onProgress: (event) => {
        onBegun();
        display.show(event);
      },
    });
    display.end();
    process.stderr.write(`${counted(count, 'text')}: ${file}\n`);
  } finally {
    display.end();
  }
}

/** Where the texts come from: a list of them, the path of a file, or '-'. */
async function sourceOf(named: string[], { texts = [] }: Flags, fileOptions: FileOptions): Promise<string | string[]> {
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
  const unused = OF_FILES.find(([name]) => fileOptions[name] !== undefined);
  if (unused !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `${unused[1]} says how a file is read, but the texts are arguments.`,
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

/** The texts that are there so far, and then those that come. */
async function waitingRows(
  source: string | string[],
  { format: _format, text: _text, role: _role, encoding, ...options }: FileOptions,
  signal: AbortSignal,
): Promise<AsyncIterable<TextRow[]> | TextRow[][]> {
  if (Array.isArray(source)) return [source.map((text) => ({ text, id: undefined }))];
  const checked = encoding === undefined ? undefined : checkEncoding('encoding', encoding);
  const reading = textRowsOptions({ ...options, encoding: checked, signal });
  return (await TextRows.open(source === '-' ? process.stdin : source, reading)).pieces();
}

async function* oneByOne(lists: AsyncIterable<TextRow[]> | TextRow[][]): AsyncGenerator<TextRow, void, undefined> {
  for await (const list of lists) yield* list;
}
