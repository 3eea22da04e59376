import { isObject, type JsonObject } from '../system/json';

/** Words whose pieces are kept; beyond so many all are forgotten, so that memory stays bounded. */
const MOST_WORDS = 100_000;

const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 13;

/** Printable, and no letter or digit: ASCII's punctuation as BERT splits at it. */
const isPunctuation = (code: number): boolean =>
  (code >= 33 && code <= 47) ||
  (code >= 58 && code <= 64) ||
  (code >= 91 && code <= 96) ||
  (code >= 123 && code <= 126);

/**
 * WordPiece of texts of plain ASCII, with BERT's normaliser and its splitting at spaces and punctuation: the ids of the
 * tokenizers library, which takes ten times as long for them. A word's pieces are found once.
 */
export class AsciiWordPiece {
  readonly #vocabulary: Record<string, number>;
  readonly #prefix: string;
  readonly #longest: number;
  readonly #unknown: number;
  readonly #lowercase: boolean;
  /** Texts that are looked for before anything else. */
  readonly #added: readonly string[];
  readonly #words = new Map<string, readonly number[]>();

  private constructor(model: JsonObject, unknown: number, lowercase: boolean, added: readonly string[]) {
    this.#vocabulary = model['vocab'] as Record<string, number>;
    this.#prefix = model['continuing_subword_prefix'] as string;
    this.#longest = model['max_input_chars_per_word'] as number;
    this.#unknown = unknown;
    this.#lowercase = lowercase;
    this.#added = added;
  }

  /** Of a tokenizer.json; undefined where it does anything else than BERT's. */
  static of(json: JsonObject): AsciiWordPiece | undefined {
    const { model, normalizer, pre_tokenizer: split, added_tokens: added = [] } = json;
    if (!isObject(model) || model['type'] !== 'WordPiece' || !isObject(model['vocab'])) return undefined;
    if (!isObject(normalizer) || normalizer['type'] !== 'BertNormalizer' || normalizer['clean_text'] !== true)
      return undefined;
    if (!isObject(split) || split['type'] !== 'BertPreTokenizer' || !Array.isArray(added)) return undefined;
    const { unk_token: unknown, continuing_subword_prefix: prefix, max_input_chars_per_word: longest } = model;
    const id = typeof unknown === 'string' ? (model['vocab'] as Record<string, unknown>)[unknown] : undefined;
    if (typeof id !== 'number' || typeof prefix !== 'string' || typeof longest !== 'number') return undefined;
    const texts = added.map((token: unknown) => (isObject(token) ? token['content'] : undefined));
    if (!texts.every((text) => typeof text === 'string' && text !== '')) return undefined;
    return new AsciiWordPiece(model, id, normalizer['lowercase'] === true, texts as string[]);
  }

  /** The ids of a text, without special tokens; undefined where it is not plain ASCII, or may have an added token. */
  encode(text: string): number[] | undefined {
    for (let i = 0; i < text.length; ++i) {
      const code = text.charCodeAt(i);
      if (code > 126 || (code < 32 && !isSpace(code))) return undefined;
    }
    const lower = text.toLowerCase();
    for (const token of this.#added) if (lower.includes(token.toLowerCase())) return undefined;
    const from = this.#lowercase ? lower : text;
    const ids: number[] = [];
    let begin = -1; // of the word that is on
    for (let i = 0; i <= from.length; ++i) {
      const code = i < from.length ? from.charCodeAt(i) : 32;
      const alone = isPunctuation(code);
      if (!alone && !isSpace(code)) {
        if (begin < 0) begin = i;
        continue;
      }
      if (begin >= 0) for (const id of this.#word(from.slice(begin, i))) ids.push(id);
      if (alone) for (const id of this.#word(from[i]!)) ids.push(id);
      begin = -1;
    }
    return ids;
  }

  #word(word: string): readonly number[] {
    let found = this.#words.get(word);
    if (found !== undefined) return found;
    if (this.#words.size >= MOST_WORDS) this.#words.clear();
    found = this.#pieces(word);
    this.#words.set(word, found);
    return found;
  }

  /** The longest piece first; a word of which a part is in no piece is unknown as a whole. */
  #pieces(word: string): readonly number[] {
    if (word.length > this.#longest) return [this.#unknown];
    const ids: number[] = [];
    for (let begin = 0; begin < word.length; ) {
      let end = word.length;
      let id: number | undefined;
      for (; end > begin; --end) {
        const piece = begin === 0 ? word.slice(0, end) : this.#prefix + word.slice(begin, end);
        if (Object.hasOwn(this.#vocabulary, piece)) {
          id = this.#vocabulary[piece];
          break;
        }
      }
      if (id === undefined) return [this.#unknown];
      ids.push(id);
      begin = end;
    }
    return ids;
  }
}
