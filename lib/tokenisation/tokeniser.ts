import { Tokenizer } from 'tokenizers';
import { AbortError, hasCode, InvalidArgumentError, ModelError } from '../system/errors';
import type { JsonObject } from '../system/json';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { DirectTokenizer } from './direct-tokenizer';
import { Ids } from './ids';
import type { PlacedTokens, TextTokenizer, TokenizerSource } from './text-tokenizer';
import { ThreadTokenizer } from './thread-tokenizer';
import type { TokenisedTexts } from './tokenised-texts';
import type { ReadyTokenizer } from './tokenizer-json';

export interface TokeniserSource {
  /** For messages. */
  folder: string;
  /** The tokenizer's files by name. */
  files: ReadonlyMap<string, Buffer>;
  /** transformers' tokenizer class where the folder names none. */
  tokenizerClass: string;
  /** Most tokens a text may ever have, special tokens included. */
  positions: number;
  /** sentence-transformers' own `do_lower_case`. */
  doLowerCase: boolean;
  /** The encoder's config.json, which may name the tokenizer's class; default {}. */
  encoderConfig?: JsonObject;
  /** Rows of the embedding table: a token that is added must have one. Default: no bound. */
  rows?: number;
}

/** Token ids, and which texts were longer than the limit. */
export interface LimitedTexts extends TokenisedTexts {
  /** By their number from 0. */
  cut: number[];
}

/** Texts and UTF-16 units that one call gives to the tokenizer's threads. */
const PIECE_TEXTS = 256;
const PIECE_UNITS = 1 << 18;
/** The same where tokens come with their places, which are made in this thread. */
const PLACED_UNITS = 1 << 16;

/**
 * Does once what the tokenizers library does at its first use: it asks the linker for symbols, which makes who waits for it,
 * the event loop, wait as long as the linker is at work. To be called before LibTorch is opened, which takes 0.2 s.
 */
export function prepareTokenizers(): void {
  Tokenizer.fromString(JSON.stringify({ model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } }));
}

/** Bytes of a tokenizer's files from which on it has a thread of its own: fewer hold the event loop for some 20 ms. */
const OWN_THREAD = 1 << 20;

async function openTokenizer(source: TokenizerSource): Promise<TextTokenizer> {
  let bytes = 0;
  for (const file of source.files.values()) bytes += file.length;
  return (bytes >= OWN_THREAD ? await ThreadTokenizer.open(source) : undefined) ?? DirectTokenizer.open(source);
}

/**
 * A Hugging Face tokenizer whose ids equal sentence-transformers'. The work is done on other threads in bounded pieces.
 * Truncation is set once, to the model's positions, and shorter limits cut the ids, so that calls with different limits can
 * overlap.
 */
export class Tokeniser {
  readonly #tokenizer: TextTokenizer;
  /** Models that have it. */
  #users = 1;
  /** The special tokens that every text gets, in a text that has no others. */
  #frame: Promise<Int32Array> | undefined;

  private constructor(tokenizer: TextTokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** @throws ModelError ERR_TOKENIZER names the file and what is wrong with it. */
  static async open(source: TokeniserSource): Promise<Tokeniser> {
    return new Tokeniser(await openTokenizer({ encoderConfig: {}, rows: Infinity, ...source, kind: 'of files' }));
  }

  /**
   * The tokenizer.json of the folder as it is, whose texts get no special tokens: an empty text has no token. Its own
   * truncation counts, nothing else cuts a text.
   *
   * @throws ModelError ERR_TOKENIZER
   */
  static async openAsItIs({
    folder,
    files,
    positions,
  }: Pick<TokeniserSource, 'folder' | 'files' | 'positions'>): Promise<Tokeniser> {
    return new Tokeniser(await openTokenizer({ kind: 'as it is', folder, files, positions }));
  }

  /** What the tokenizer was made of. */
  ready(): Promise<ReadyTokenizer> {
    return this.#tokenizer.ready();
  }

  /** Where its files disagree, and what counts. */
  get notes(): readonly string[] {
    return this.#tokenizer.facts.notes;
  }

  /** Most tokens that a text may have. */
  get positions(): number {
    return this.#tokenizer.facts.positions;
  }

  /** One more than the highest token id. */
  get vocabularySize(): number {
    return this.#tokenizer.facts.vocabularySize;
  }

  /** Special tokens that every text gets. */
  get specialTokens(): number {
    return this.#tokenizer.facts.before + this.#tokenizer.facts.after;
  }

  /** One more model has it, and closes it. */
  share(): void {
    ++this.#users;
  }

  /** Gives back what it holds, once all who have it have closed it. Nothing may be asked of it afterwards. */
  close(): void {
    if (--this.#users === 0) this.#tokenizer.close();
  }

  /**
   * Tokenises texts, special tokens included; a text of more than `maxInputLength` tokens loses those at its
   * end (at its start where the folder says so), its special tokens never. An empty text has its special tokens; where
   * texts get none it has the token of the end, or of padding, alone.
   *
   * @throws InvalidArgumentError ERR_MAX_INPUT_LENGTH: not an integer that leaves room for a token and is at
   *   most `positions`; ERR_TEXT_TYPE names the row, ERR_INVALID_ARGUMENT that of a text without a token. AbortError.
   */
  async encode(texts: readonly string[], maxInputLength: number, signal?: AbortSignal): Promise<TokenisedTexts> {
    const { ids, offsets } = await this.encodeLimited(texts, maxInputLength, undefined, signal);
    return { ids, offsets };
  }

  /**
   * As `encode`, and tells which texts were cut; `side` is where they lose tokens, where it is not as the folder says.
   * Rejects as `encode` does.
   */
  async encodeLimited(
    texts: readonly string[],
    maxInputLength: number,
    side?: 'left' | 'right',
    signal?: AbortSignal,
  ): Promise<LimitedTexts> {
    this.#checkLimit(maxInputLength);
    const { facts } = this.#tokenizer;
    const cutLeft = side === undefined ? facts.cutLeft : side === 'left';
    const ids = new Ids();
    const offsets = new Int32Array(texts.length + 1);
    const cut: number[] = [];
    for await (const { from, piece } of pieces(texts, signal)) {
      const found = await this.#asked(() => this.#tokenizer.encode(piece, cutLeft !== facts.cutLeft));
      const longer = new Set(found.longer);
      for (let i = 0; i < piece.length; ++i) {
        const of = found.ids.subarray(found.offsets[i]!, found.offsets[i + 1]!);
        if (of.length === 0 && facts.special) throw noToken(piece[i]!, from + i, facts.file);
        this.#appendCut(ids, of, maxInputLength, cutLeft);
        offsets[from + i + 1] = ids.length;
        if (of.length > maxInputLength || longer.has(i)) cut.push(from + i);
      }
    }
    return { ids: ids.finish(), offsets, cut };
  }

  /**
   * All tokens of each text, however long it is, with the place of each, one text after the other; a text of a megabyte
   * holds the event loop for a second. Rejects as `encode` does.
   */
  async *tokens(
    texts: readonly string[],
    addSpecialTokens: boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<PlacedTokens, void, undefined> {
    for await (const { piece } of pieces(texts, signal, PLACED_UNITS))
      yield* await this.#asked(() => this.#tokenizer.tokens(piece, addSpecialTokens));
  }

  /**
   * What `encodeLimited` makes of the text that has these token ids: special tokens as every text gets them stay where the
   * ids begin and end with them, else the ids are cut as they are.
   */
  async cutIds(ids: readonly number[], maxInputLength: number, side?: 'left' | 'right'): Promise<Int32Array> {
    const { before, after, cutLeft } = this.#tokenizer.facts;
    this.#frame ??= this.encode([''], this.positions).then((empty) => empty.ids);
    const frame = await this.#frame;
    const framed = frame.every((id, i) => id === (i < before ? ids[i] : ids[ids.length - frame.length + i]));
    const [first, last] = framed ? [before, after] : [0, 0];
    const kept = maxInputLength - first - last;
    const from = (side === undefined ? cutLeft : side === 'left') ? ids.length - last - kept : first;
    return Int32Array.from([...ids.slice(0, first), ...ids.slice(from, from + kept), ...ids.slice(ids.length - last)]);
  }

  /** Tokens that a prompt has at the beginning of a text, the special ones before it included, as sentence-transformers counts. */
  async promptTokens(prompt: string): Promise<number> {
    if (prompt === '') return 0;
    const { ids } = await this.encode([prompt], this.positions);
    return ids.length - Math.min(this.#tokenizer.facts.after, 1);
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (hasCode(error, 'ERR_DISPOSED')) throw error;
      // What it lacks may show only now: a token for what is in no vocabulary, for one.
      const { file } = this.#tokenizer.facts;
      throw new ModelError('ERR_TOKENIZER', `${file} cannot tokenise a text: ${(error as Error).message}.`, {
        file,
        cause: error,
      });
    }
  }

  #checkLimit(maxInputLength: number): void {
    const least = this.specialTokens + 1;
    if (Number.isSafeInteger(maxInputLength) && maxInputLength >= least && maxInputLength <= this.positions) return;
    throw new InvalidArgumentError(
      'ERR_MAX_INPUT_LENGTH',
      say`${option('maxInputLength')} must be an integer from ${least} (the special tokens and one more) to ${this.positions} (the model's positions), but is ${show(maxInputLength)}.`,
    );
  }

  // What Hugging Face gives: it cuts the text's own tokens, then puts the special tokens around them.
  #appendCut(ids: Ids, found: Int32Array, limit: number, cutLeft: boolean): void {
    const { before, after } = this.#tokenizer.facts;
    const end = found.length;
    if (end <= limit) {
      ids.append(found, 0, end);
      return;
    }
    const kept = limit - this.specialTokens;
    const first = cutLeft ? end - after - kept : before;
    ids.append(found, 0, before);
    ids.append(found, first, first + kept);
    ids.append(found, end - after, end);
  }
}

function noToken(text: string, row: number, file: string): InvalidArgumentError {
  return new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `The text of row ${row} (counted from 0), ${show(text)}, has no token by ${file}, and that tokenizer has none of an ` +
      'end or of padding to stand for it. Leave the text out.',
    { row },
  );
}

/** The texts in bounded pieces. Between two of them others have their turn. */
async function* pieces(
  texts: readonly string[],
  signal: AbortSignal | undefined,
  mostUnits = PIECE_UNITS,
): AsyncGenerator<{ from: number; piece: readonly string[] }> {
  for (let from = 0; from < texts.length; ) {
    if (signal?.aborted) throw new AbortError('ERR_ABORTED', 'Tokenising was stopped.', { cause: signal.reason });
    const to = pieceEnd(texts, from, mostUnits);
    yield { from, piece: texts.slice(from, to) };
    from = to;
    if (from < texts.length) await new Promise(setImmediate);
  }
}

/** Where a piece that begins at `from` ends: bounded in texts and in length, one text at least. */
function pieceEnd(texts: readonly string[], from: number, mostUnits: number): number {
  let units = 0;
  let at = from;
  while (at < texts.length && at - from < PIECE_TEXTS) {
    const text: unknown = texts[at];
    if (typeof text !== 'string') {
      throw new InvalidArgumentError(
        'ERR_TEXT_TYPE',
        `A text must be a string, but that of row ${at} (counted from 0) is ` + `${show(text)}.`,
        { row: at },
      );
    }
    units += text.length;
    if (units > mostUnits && at > from) break;
    ++at;
  }
  return at;
}
