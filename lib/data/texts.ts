import type { Readable } from 'node:stream';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import type { Wording } from '../system/wording';
import { titledText } from './formats/beir';
import { jsonTexts } from './text/json-texts';
import { JsonShapeError } from './text/json-values';
import { LongLineError, splitLines } from './text/lines';
import { checkIsFile, TextSource, UndecodableError } from './text/text-source';

/** How texts are read. */
export interface TextsOptions {
  /** Whether each line (or each element of one list) is JSON: a string, or an object with a member "text". */
  json?: boolean | undefined;
  /** Of objects: whether a member "title" goes before the text, as in a corpus in BEIR's layout. */
  titles?: boolean | undefined;
  /** As `checkEncoding` gave it. Default: as the byte order mark says, else UTF-8. */
  encoding?: string | undefined;
  /** Is told the bytes of each piece that was read, packed as they lie. */
  onBytes?: ((bytes: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * The texts of a file, or of a stream: one in each line, which LF or CR LF ends; an empty line is an empty text. As JSON,
 * empty lines are skipped. Gives what is there so far, without waiting for more: some lines, or one that a person typed.
 */
export async function* readTexts(
  source: string | Readable,
  options: TextsOptions = {},
): AsyncGenerator<string[], void, undefined> {
  if (options.json !== true) {
    yield* reading(source, options, async function* (text) {
      for await (const lines of splitLines(text.pieces())) yield lines.map((line) => line.text);
    });
    return;
  }
  for await (const values of readJsonValues(source, options)) {
    yield values.map(({ value, place }) => {
      const found: unknown = typeof value === 'object' && value !== null ? (value as { text?: unknown }).text : value;
      if (typeof found === 'string') {
        return options.titles === true ? titledText((value as { title?: unknown }).title, found) : found;
      }
      throw new InvalidArgumentError(
        'ERR_TEXT_TYPE',
        `${place.file}, line ${place.line}: there must be a string, or an object with a string "text", but there is ${show(value)}.`,
        { row: place.row, file: place.file },
      );
    });
  }
}

/** A value, and where it stands. */
export interface JsonValue {
  value: unknown;
  place: { file: string; row: number; line: number };
}

/** The values of JSON Lines, of one list, or one after another; as they come. */
export async function* readJsonValues(
  source: string | Readable,
  options: Omit<TextsOptions, 'json' | 'titles'> = {},
): AsyncGenerator<JsonValue[], void, undefined> {
  yield* reading(source, options, async function* (text, name) {
    let row = 0;
    for await (const values of jsonTexts(text.pieces(), true, false)) {
      yield values.map(({ text: json, line }): JsonValue => {
        const place = { file: name, row: row++, line };
        try {
          return { value: JSON.parse(json), place };
        } catch (cause) {
          throw broken(name, place.row, `line ${line}`, `this is not JSON: ${(cause as Error).message}.`, cause);
        }
      });
    }
  });
}

function broken(name: string, row: number, place: string, message: string, cause: unknown, remedy?: Wording): Error {
  return new InvalidArgumentError('ERR_DATA_FILE', `${name}, ${place}: ${message}`, { cause, file: name, row, remedy });
}

/** What is made of the pieces of a text, which is closed then; errors of the text say where they are. */
async function* reading<T>(
  source: string | Readable,
  options: TextsOptions,
  made: (text: TextSource, name: string) => AsyncGenerator<T[], void, undefined>,
): AsyncGenerator<T[], void, undefined> {
  const name = typeof source === 'string' ? source : 'the standard input';
  if (typeof source === 'string') await checkIsFile(source, 'a file of texts');
  const text = await TextSource.open(source, name, options);
  let row = 0;
  try {
    for await (const piece of made(text, name)) {
      row += piece.length;
      yield piece;
    }
  } catch (error) {
    if (error instanceof UndecodableError) {
      const { line, character } = error.place;
      throw broken(name, row, `line ${line}, character ${character}`, error.message, error, error.remedy);
    }
    if (error instanceof LongLineError || error instanceof JsonShapeError) {
      throw broken(name, row, `line ${error.line}`, `${error.message}.`, error);
    }
    throw error;
  } finally {
    await text.close();
  }
}
