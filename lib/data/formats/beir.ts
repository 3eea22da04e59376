import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidArgumentError } from '../../system/errors';
import { show } from '../../system/options';
import { option, say } from '../../system/wording';
import { splitLines } from '../text/lines';
import { TextSource } from '../text/text-source';
import { openDelimited } from './delimited';
import { inTable, tableError } from './table';

/** A text of a retrieval set and the name by which the judgements know it. */
export interface NamedText {
  id: string;
  text: string;
}

/** A folder in BEIR's layout (Thakur et al. 2021), opened. */
export interface BeirSet {
  /** The split whose judgements were read. */
  split: string;
  /** The file of the judgements. */
  file: string;
  /** By the id of a query, the ids of the documents that are relevant to it: those with a score above 0. */
  relevant: ReadonlyMap<string, readonly string[]>;
  /** Read from the file each time that it is walked through. */
  queries: AsyncIterable<NamedText>;
  /** The same; a document with a title is title, space, text, as BEIR's own code has it. */
  corpus: AsyncIterable<NamedText>;
}

/** How a BEIR folder is read. */
export interface BeirOptions {
  /** Name of the judgements, `qrels/<split>.tsv`. Default: the first of `usual` that is there, else the only one. */
  split?: string | undefined;
  /** Default: test, dev. */
  usual?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/** The file, or the same packed with gzip; undefined where there is neither. */
async function present(file: string): Promise<string | undefined> {
  for (const name of [file, `${file}.gz`]) {
    const found = await stat(name).catch(() => undefined);
    if (found?.isFile() === true) return name;
  }
  return undefined;
}

/** Whether this is a folder with a corpus and queries in it. */
export async function isBeir(folder: string): Promise<boolean> {
  const found = await Promise.all(['corpus.jsonl', 'queries.jsonl'].map((name) => present(join(folder, name))));
  return found.every((file) => file !== undefined);
}

/**
 * Opens a folder with `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels/<split>.tsv`
 * (query-id, corpus-id, score, with or without a header); each may be packed with gzip. The judgements are read; queries
 * and corpus are when they are walked through.
 *
 * @throws InvalidArgumentError ERR_DATA_FILE names the file and line, ERR_TEXT_TYPE, ERR_INVALID_OPTION: no such split
 */
export async function openBeir(folder: string, options: BeirOptions = {}): Promise<BeirSet> {
  const [corpus, queries] = await Promise.all(
    ['corpus.jsonl', 'queries.jsonl'].map(async (name) => {
      const file = await present(join(folder, name));
      if (file !== undefined) return file;
      throw new InvalidArgumentError(
        'ERR_DATA_FILE',
        `${folder} must hold corpus.jsonl, queries.jsonl and qrels/*.tsv, but has no ${name}.`,
        { file: folder },
      );
    }),
  );
  const { split, file } = await judgements(folder, options.split, options.usual ?? ['test', 'dev']);
  const { signal } = options;
  return {
    split,
    file,
    relevant: await readRelevant(file, signal),
    queries: { [Symbol.asyncIterator]: () => readTexts(queries!, signal) },
    corpus: { [Symbol.asyncIterator]: () => readTexts(corpus!, signal) },
  };
}

async function judgements(
  folder: string,
  asked: string | undefined,
  usual: readonly string[],
): Promise<{ split: string; file: string }> {
  const inside = join(folder, 'qrels');
  const files = (await readdir(inside).catch(() => [])).filter((name) => /\.tsv(\.gz)?$/.test(name)).sort();
  const nameOf = (file: string): string => file.replace(/\.tsv(\.gz)?$/, '');
  if (files.length === 0) {
    throw new InvalidArgumentError('ERR_DATA_FILE', `${inside} must hold judgements, <split>.tsv, but has none.`, {
      file: inside,
    });
  }
  const wanted = asked === undefined ? usual : [asked];
  const found =
    wanted.map((split) => files.find((file) => nameOf(file) === split)).find((file) => file !== undefined) ??
    (asked === undefined && files.length === 1 ? files[0] : undefined);
  if (found !== undefined) return { split: nameOf(found), file: join(inside, found) };
  const some = files.map(nameOf);
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    asked === undefined
      ? `${inside} has judgements of several splits, none of them ${usual.join(' or ')}: ${some.join(', ')}.`
      : `${inside} has no judgements ${show(asked)}; it has ${some.join(', ')}.`,
    { file: inside, remedy: say`Say which is meant, as ${option('split', some[0])}.` },
  );
}

async function readRelevant(file: string, signal: AbortSignal | undefined): Promise<Map<string, string[]>> {
  const table = await openDelimited(file, {
    usual: '\t',
    delimiter: '\t',
    header: false,
    quoting: false,
    quotingAsked: false,
    encoding: undefined,
    signal,
    fits: (columns) => columns.length === 3,
  });
  const relevant = new Map<string, string[]>();
  let row = 0;
  try {
    // TREC's own form has a fourth column, always 0, in the second place.
    const positions = table.columns.length >= 4 ? [0, 2, 3] : [0, 1, 2];
    if (table.columns.length < 3) {
      throw tableError(
        { file, row: 0 },
        `query-id, corpus-id and score are wanted, found ${table.columns.length} columns.`,
      );
    }
    for await (const piece of table.rows(positions, () => true)) {
      for (const { cells, line } of piece) {
        const [query, document, score] = cells as string[];
        const number = Number(score);
        const isHeader = row === 0 && Number.isNaN(number);
        if (!isHeader && (score!.trim() === '' || Number.isNaN(number))) {
          throw tableError({ file, row, line }, `a score must be a number, but is ${show(score)}.`);
        }
        ++row;
        if (isHeader || number <= 0) continue;
        const list = relevant.get(query!);
        if (list === undefined) relevant.set(query!, [document!]);
        else list.push(document!);
      }
    }
    return relevant;
  } finally {
    await table.close();
  }
}

/** A JSON object in each line with `_id` and `text`. */
async function* readTexts(file: string, signal: AbortSignal | undefined): AsyncGenerator<NamedText, void, undefined> {
  const source = await TextSource.open(file, file, { signal });
  let row = 0;
  try {
    for await (const lines of splitLines(source.pieces())) {
      for (const { text, number } of lines) {
        if (text.trim() === '') continue;
        yield namedText(text, { file, row, line: number });
        ++row;
      }
    }
  } catch (error) {
    throw inTable(error, file, row);
  } finally {
    await source.close();
  }
}

function namedText(json: string, place: { file: string; row: number; line: number }): NamedText {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw tableError(place, `this is not JSON: ${(cause as Error).message}.`, undefined, cause);
  }
  if (typeof value !== 'object' || value === null) throw tableError(place, 'each line must be a JSON object.');
  const { _id: id, title, text } = value as Record<string, unknown>;
  if (typeof id !== 'string' && typeof id !== 'number') {
    throw tableError(place, `"_id" must be a string, but is ${show(id)}.`);
  }
  if (typeof text !== 'string') throw tableError(place, `"text" must be a string, but is ${show(text)}.`);
  return { id: String(id), text: titledText(title, text) };
}

/** Title, space, text, where there is a title. */
export function titledText(title: unknown, text: string): string {
  return typeof title === 'string' && title.trim() !== '' ? `${title} ${text}`.trim() : text;
}
