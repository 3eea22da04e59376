import { stat } from 'node:fs/promises';
import { counted, type DataForm, type TrainingData } from '../data/form';
import { readNpy } from '../data/formats/npy';
import { resolveTextOptions, type ReadOptions } from '../data/read-options';
import { collectRows, type CollectedData } from '../data/source';
import { readTexts } from '../data/texts';
import { checkText } from '../data/validate';
import { cosine, type Vector } from '../embed/similarity';
import { BlockEmbedder, type EmbeddingModel } from '../evaluate/embedding';
import { AtomicFile } from '../system/atomic-file';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import type { EventContent } from './events';
import type { ResolvedLoss } from './losses/choice';
import { losses, type SimpleLossName } from './losses/table';

/** Where a teacher's vectors come from: a model, or a file of them. */
export type TeacherSource = { model: EmbeddingModel } | { file: string };

export interface TeacherJob {
  source: TeacherSource;
  /** Where they are kept, and taken from where they are there already. */
  keep: string | null;
}

const lossesOf = (form: DataForm): SimpleLossName[] =>
  (Object.keys(losses) as SimpleLossName[]).filter(
    (name) => losses[name].forms.length === 1 && losses[name].forms[0] === form,
  );
const ofVectors = lossesOf('vectors');
const ofScores = lossesOf('candidates');
const guided = (Object.keys(losses) as SimpleLossName[]).filter((name) => losses[name].guided);

/** Texts that are embedded, and rows that are made, before the event loop gets its turn. */
const TEXTS_AT_ONCE = 1024;
const ROWS_AT_ONCE = 500;

/** Whether a path names a file of vectors by its extension. */
export function isVectorFile(path: string): boolean {
  return /\.(npy|jsonl|ndjson|json|parquet)$/i.test(path);
}

/** Texts alone, which only a teacher can make rows to train on: a list, or a .txt with one in each line. */
export function areTextsAlone(source: unknown): source is readonly string[] | string {
  if (typeof source === 'string') return /\.txt(\.gz)?$/i.test(source);
  return Array.isArray(source) && typeof source[0] === 'string';
}

/** @throws InvalidArgumentError: the texts, or options of the reading that they have no use for */
export async function collectTexts(
  source: readonly string[] | string,
  file: ReadOptions | undefined,
  stop: AbortSignal,
): Promise<CollectedData> {
  const rows: string[][] = [];
  const { encoding, signal: own } = resolveTextOptions(file, typeof source !== 'string');
  const signal = own === undefined ? stop : AbortSignal.any([stop, own]);
  signal.throwIfAborted();
  if (typeof source === 'string') {
    for await (const lines of readTexts(source, { encoding, signal }))
      for (const line of lines) if (line !== '') rows.push([line]);
  } else for (const [row, text] of source.entries()) rows.push([checkText(text, 'text', { row })]);
  if (rows.length === 0)
    throw new InvalidArgumentError('ERR_EMPTY_DATA', 'There are no texts to learn from the teacher on.');
  const facts = { emptyTexts: 0, file: null, columns: [], skipped: 0, notes: [] };
  return { form: 'vectors', rows, labels: new Float32Array(0), labelWidth: 0, facts };
}

/**
 * The rows with the teacher's numbers, whatever their own labels: for mse and embed-distill, and where no loss is named,
 * each different text with its vector; for distill-kl-div and margin-mse each row's first text with the others as
 * candidates, and their cosines with it under the teacher as scores; for gist the rows as they are, with the vectors of
 * their texts.
 */
export async function taught(
  data: CollectedData,
  loss: ResolvedLoss | null,
  { source, keep }: TeacherJob,
  emit: (event: EventContent) => void,
  signal: AbortSignal,
): Promise<CollectedData> {
  const parts = loss?.parts ?? ofVectors.slice(0, 1);
  const scores = parts.some((name) => ofScores.includes(name));
  const guides = parts.some((name) => guided.includes(name));
  if (!scores && !guides && !parts.some((name) => ofVectors.includes(name))) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('teacher')} is for losses of a teacher's vectors or scores, ${[...ofVectors, ...ofScores, ...guided].join(', ')}, but ${option('loss')} is ${parts.join(' + ')}.`,
    );
  }
  if (guides) checkEven(data.rows, "A guide's vectors");
  const short = scores ? data.rows.findIndex((row) => row.length < 3) : -1;
  if (short >= 0) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `The teacher's scores need rows of a query and at least 2 candidates, but row ${short} has ${counted(data.rows[short]!.length, 'text')}.`,
      { row: short, remedy: say`Mine negatives first, or take ${option('loss', ofVectors[0])}.` },
    );
  }
  const places = new Map<string, number>();
  for (const row of data.rows) for (const text of row) if (!places.has(text)) places.set(text, places.size);
  const texts = [...places.keys()];
  const kept = keep !== null && (await stat(keep).catch(() => undefined)) !== undefined;
  const vectors = kept
    ? await ofFile(keep, texts, signal)
    : 'file' in source
      ? await ofFile(source.file, texts, signal)
      : await ofModel(source.model, texts, emit, signal);
  if (keep !== null && !kept) await write(keep, texts, vectors, signal);
  const width = vectors[0]!.length;
  const told = guides
    ? `The guide gives vectors of ${width} numbers.`
    : `The teacher gives vectors of ${width} numbers${data.labelWidth === 0 ? '' : '; what stood in the place of labels was not used'}.`;
  const facts = { ...data.facts, notes: [...data.facts.notes, told] };
  if (guides) return { ...data, ...(await withVectors(data.rows, places, vectors, signal)), facts };
  return scores
    ? { ...(await scored(data, places, vectors, signal)), facts }
    : { form: 'vectors', rows: texts.map((text) => [text]), labels: flat(vectors, width), labelWidth: width, facts };
}

async function ofModel(
  model: EmbeddingModel,
  texts: readonly string[],
  emit: (event: EventContent) => void,
  signal: AbortSignal,
): Promise<Vector[]> {
  const embedder = new BlockEmbedder(model, {
    signal,
    onTexts: (_, done) => emit({ type: 'teacher', done, texts: texts.length }),
  });
  const vectors: Vector[] = [];
  for (let from = 0; from < texts.length; from += TEXTS_AT_ONCE)
    for (const vector of await embedder.embed(texts.slice(from, from + TEXTS_AT_ONCE), 'text')) vectors.push(vector);
  return vectors;
}

/** By their texts; of a .npy, which has none, in the order in which the texts come first in the data. */
async function ofFile(file: string, texts: readonly string[], signal: AbortSignal): Promise<Vector[]> {
  if (/\.npy$/i.test(file)) {
    const { data, shape } = await readNpy(file, signal);
    if (shape[0] !== texts.length) {
      throw new InvalidArgumentError(
        'ERR_LENGTH_MISMATCH',
        `${file} must have a vector for each different text, in the order in which they come, but has ${shape[0]} for ${texts.length}.`,
        { file },
      );
    }
    const odd = data.findIndex((x) => !Number.isFinite(x));
    if (odd >= 0) {
      throw new InvalidArgumentError(
        'ERR_LABEL',
        `${file}: vector ${Math.floor(odd / shape[1])} has ${data[odd]} in it.`,
        {
          file,
        },
      );
    }
    return texts.map((_, i) => data.subarray(i * shape[1], (i + 1) * shape[1]));
  }
  const { form, rows, labels, labelWidth } = await collectRows(file, { file: undefined, onBadRow: 'refuse' }, signal);
  if (form !== 'vectors' || rows.some((row) => row.length !== 1)) {
    throw new InvalidArgumentError(
      'ERR_DATA_FILE',
      `${file} must have rows of a text and a vector, as vectune embed writes them.`,
      {
        file,
      },
    );
  }
  const vectors = new Map(
    rows.map(([text], row) => [
      text!,
      Float32Array.from({ length: labelWidth }, (_, i) => labels[row * labelWidth + i]!),
    ]),
  );
  const missing = texts.filter((text) => !vectors.has(text));
  if (missing.length === 0) return texts.map((text) => vectors.get(text)!);
  throw new InvalidArgumentError(
    'ERR_LABEL',
    `${file} has no vector for ${counted(missing.length, 'text')} of the data, the first of them ${show(missing[0])}.`,
    { file },
  );
}

async function write(file: string, texts: readonly string[], vectors: readonly Vector[], signal: AbortSignal) {
  const output = await AtomicFile.create(file);
  try {
    for (let from = 0; from < texts.length; from += ROWS_AT_ONCE) {
      signal.throwIfAborted();
      const lines = texts
        .slice(from, from + ROWS_AT_ONCE)
        .map((text, i) => `${JSON.stringify({ text, vector: Array.from(vectors[from + i]!) })}\n`);
      await output.write(lines.join(''));
    }
    await output.finish();
  } finally {
    await output.release();
  }
}

function flat(vectors: readonly Vector[], width: number): Float32Array {
  const all = new Float32Array(vectors.length * width);
  vectors.forEach((vector, i) => all.set(vector, i * width));
  return all;
}

function checkEven(rows: TrainingData['rows'], what: string): void {
  const other = rows.findIndex((row) => row.length !== rows[0]!.length);
  if (other < 0) return;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    `${what} need rows of as many texts each, but row 0 has ${rows[0]!.length} and row ${other} has ${rows[other]!.length}.`,
    { row: other },
  );
}

/** Rows between which the event loop gets its turn. */
async function eachRow<Row>(rows: readonly Row[], signal: AbortSignal, visit: (row: Row, r: number) => void) {
  for (const [r, row] of rows.entries()) {
    visit(row, r);
    if (r % ROWS_AT_ONCE !== 0) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
}

/** The vectors of each row's texts, one after the other. */
async function withVectors(
  rows: TrainingData['rows'],
  places: ReadonlyMap<string, number>,
  vectors: readonly Vector[],
  signal: AbortSignal,
): Promise<Pick<TrainingData, 'labels' | 'labelWidth'>> {
  const labelWidth = rows[0]!.length * vectors[0]!.length;
  const labels = new Float32Array(rows.length * labelWidth);
  await eachRow(rows, signal, (row, r) => {
    row.forEach((text, i) => labels.set(vectors[places.get(text)!]!, r * labelWidth + i * vectors[0]!.length));
  });
  return { labels, labelWidth };
}

async function scored(
  { rows }: TrainingData,
  places: ReadonlyMap<string, number>,
  vectors: readonly Vector[],
  signal: AbortSignal,
): Promise<TrainingData> {
  checkEven(rows, "The teacher's scores");
  const labelWidth = rows[0]!.length - 1;
  const labels = new Float32Array(rows.length * labelWidth);
  await eachRow(rows, signal, ([query, ...candidates], r) => {
    const of = vectors[places.get(query!)!]!;
    candidates.forEach((text, c) => {
      labels[r * labelWidth + c] = cosine(of, vectors[places.get(text)!]!);
    });
  });
  return { form: 'candidates', rows, labels, labelWidth };
}
