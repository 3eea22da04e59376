import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { option, say, type Wording } from '../system/wording';
import { placeName, type RowPlace } from './validate';

/** Words that stand for 1; for 0 there are some of their own, and these with «not» or «non» before them. */
const ones = [
  'true',
  'yes',
  'y',
  't',
  'duplicate',
  'same',
  'similar',
  'match',
  'matching',
  'related',
  'relevant',
  'equivalent',
  'paraphrase',
  'positive',
];
const zeros = [
  'false',
  'no',
  'n',
  'f',
  'different',
  'distinct',
  'dissimilar',
  'mismatch',
  'unrelated',
  'irrelevant',
  'negative',
];

const plain = (word: string): string =>
  word
    .trim()
    .toLowerCase()
    .replaceAll(/[\s_-]+/g, ' ');

function meaningOf(word: string): 0 | 1 | undefined {
  const text = plain(word);
  if (ones.includes(text)) return 1;
  if (zeros.includes(text)) return 0;
  const negated = /^(?:not|non|no)(?: an?)? ?(.+)$/.exec(text)?.[1];
  return negated !== undefined && ones.includes(negated) ? 0 : undefined;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const decimalComma = /^[+-]?\d*,\d+$/;

/** How scores are written. */
export interface ScoreOptions {
  /** The lowest and the highest of them. */
  range: readonly [number, number];
  /** What stands for 0 and for 1, where the caller said it. */
  labels: readonly [string, string] | null;
}

/** The column of scores: brings what stands in it to 0 to 1, and remembers how it was written. */
export class ScoreColumn {
  readonly #options: ScoreOptions;
  readonly #labels: readonly [string, string] | null;
  readonly #words = new Map<string, { meaning: 0 | 1; rows: number }>();
  #commas: string | null = null;

  constructor(options: ScoreOptions) {
    this.#options = options;
    this.#labels = options.labels && [plain(options.labels[0]), plain(options.labels[1])];
  }

  /** Whether a cell is a score. */
  accepts(cell: unknown): boolean {
    return this.#read(cell) !== undefined;
  }

  /** @throws InvalidArgumentError ERR_SCORE_RANGE */
  read(cell: unknown, place: RowPlace): number {
    const found = this.#read(cell);
    if (found === undefined) throw this.#refusal(cell, place);
    if (found.word !== null) {
      const seen = this.#words.get(found.word);
      if (seen !== undefined) ++seen.rows;
      else this.#words.set(found.word, { meaning: found.score as 0 | 1, rows: 1 });
    }
    if (found.comma) this.#commas ??= String(cell).trim();
    return found.score;
  }

  /** The words that stood for 0 and for 1; null where there were none. */
  get labels(): { zero: string[]; one: string[] } | null {
    if (this.#words.size === 0) return null;
    const of = (meaning: 0 | 1) =>
      [...this.#words].filter(([, word]) => word.meaning === meaning).map(([word]) => word);
    return { zero: of(0), one: of(1) };
  }

  notes(): string[] {
    const notes: string[] = [];
    if (this.#words.size > 0) {
      const told = [...this.#words].sort((a, b) => b[1].meaning - a[1].meaning);
      const parts = told.map(
        ([word, { meaning, rows }]) => `"${word}" is taken as ${meaning} (${rows === 1 ? '1 row' : `${rows} rows`})`,
      );
      notes.push(`The scores are words: ${parts.join(', ')}.`);
    }
    if (this.#commas !== null) notes.push(`The scores have a decimal comma, as ${this.#commas}.`);
    return notes;
  }

  #read(cell: unknown): { score: number; word: string | null; comma: boolean } | undefined {
    if (this.#labels !== null) {
      const at = this.#labels.indexOf(plain(String(cell)));
      return at < 0 ? undefined : { score: at, word: this.#options.labels![at]!, comma: false };
    }
    if (typeof cell === 'boolean') return { score: cell ? 1 : 0, word: String(cell), comma: false };
    if (typeof cell === 'string') {
      const text = cell.trim();
      if (decimal.test(text)) return this.#scaled(Number(text), false);
      if (decimalComma.test(text)) return this.#scaled(Number(text.replace(',', '.')), true);
      const meaning = meaningOf(text);
      return meaning === undefined ? undefined : { score: meaning, word: text, comma: false };
    }
    return typeof cell === 'number' || typeof cell === 'bigint' ? this.#scaled(Number(cell), false) : undefined;
  }

  #scaled(number: number, comma: boolean): { score: number; word: null; comma: boolean } | undefined {
    const [low, high] = this.#options.range;
    if (!(number >= low && number <= high)) return undefined;
    return { score: Math.min(1, (number - low) / (high - low)), word: null, comma };
  }

  #refusal(cell: unknown, place: RowPlace): InvalidArgumentError {
    const { file, row, line } = place;
    const [low, high] = this.#options.range;
    const { labels } = this.#options;
    const expected = labels === null ? `a number from ${low} to ${high}` : `"${labels[0]}" or "${labels[1]}"`;
    return new InvalidArgumentError(
      'ERR_SCORE_RANGE',
      `A score must be ${expected}, but that of ${placeName({ file, row, line })} is ${show(cell)}.`,
      { row, file, line, remedy: labels === null ? this.#remedy(cell) : undefined },
    );
  }

  #remedy(cell: unknown): Wording | undefined {
    const text = typeof cell === 'string' ? cell.trim() : cell;
    const number =
      typeof text === 'string' && (decimal.test(text) || decimalComma.test(text))
        ? Number(text.replace(',', '.'))
        : text;
    if (typeof number === 'number' && Number.isFinite(number)) {
      const bound = [1, 5, 10, 100].find((high) => Math.abs(number) <= high);
      if (bound === undefined) return undefined;
      const range = [number < 0 ? -bound : 0, bound];
      return say`If the scores go further, say so, for example with ${option('file.scoreRange', range)}, which brings them to 0 to 1.`;
    }
    if (typeof text !== 'string' || text === '' || /\d/.test(text) || /^[+-]?(nan|inf|infinity|null|none)$/i.test(text))
      return undefined;
    return say`If they are two words, say which stands for 0 and which for 1 with ${option('file.labels')}, as ${option('file.labels', ['different', 'same'])}. Pairs of several classes are for the loss 'softmax' and the task 'label-accuracy'.`;
  }
}
