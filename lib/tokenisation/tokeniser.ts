import { join } from 'node:path';
import { Tokenizer } from 'tokenizers';
import { show } from '../system/options';
import { AbortError, InvalidArgumentError, ModelError } from '../system/errors';
import type { JsonObject } from '../system/json';
import { AsciiWordPiece } from './ascii-word-piece';
import type { TokenisedTexts } from './tokenised-texts';
import { jsonFile } from './tokenizer-files';
import { readyTokenizer, type ReadyTokenizer } from './tokenizer-json';
import { option, say } from '../system/wording';

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

type Encoded = Awaited<ReturnType<Tokenizer['encodeBatch']>>[number];

/** A token of a text, for people to read. */
export interface TextToken {
  id: number;
  /** The part of the text that it stands for; of a special token its own name. */
  text: string;
  special: boolean;
  /** Where that part begins and ends in the text, in characters (code points); null of a special token. */
  start: number | null;
  stop: number | null;
}

/** Token ids, and which texts were longer than the limit. */
export interface LimitedTexts extends TokenisedTexts {
  /** By their number from 0. */
  cut: number[];
}

/** Texts and UTF-16 units that one call gives to the tokenizer's threads. */
const PIECE_TEXTS = 256;
const PIECE_UNITS = 1 << 18;

/** Token ids that grow as pieces come in. */
class Ids {
  #buffer = new Int32Array(1 << 12);
  length = 0;

  append(part: readonly number[], from: number, to: number): void {
    const needed = this.length + to - from;
    if (needed > this.#buffer.length) {
      const grown = new Int32Array(Math.max(needed, 2 * this.#buffer.length));
      grown.set(this.#buffer.subarray(0, this.length));
      this.#buffer = grown;
    }
    for (let i = from; i < to; ++i) this.#buffer[this.length++] = part[i]!;
  }

  finish(): Int32Array {
    return this.#buffer.slice(0, this.length);
  }
}

/**
 * Does once what the tokenizers library does at its first use: it asks the linker for symbols, which makes who waits for it,
 * the event loop, wait as long as the linker is at work. To be called before LibTorch is opened, which takes 0.2 s.
 */
export function prepareTokenizers(): void {
  Tokenizer.fromString(JSON.stringify({ model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } }));
}

/**
 * A Hugging Face tokenizer whose ids equal sentence-transformers'. The work is done on the tokenizer's own
 * threads in bounded pieces. Truncation is set once, to the model's positions, and shorter limits cut the
 * ids, so that calls with different limits can overlap.
 */
export class Tokeniser {
  readonly #tokenizer: Tokenizer;
  readonly #before: number;
  readonly #after: number;
  readonly #cutLeft: boolean;
  readonly #file: string;
  readonly #special: boolean;
  /** For texts of plain ASCII without special tokens, where the tokenizer is BERT's. */
  readonly #ascii: AsciiWordPiece | undefined;
  #whole: Promise<Tokenizer> | undefined;

  private constructor(
    tokenizer: Tokenizer,
    /** What the tokenizer in use was made of. */
    readonly ready: ReadyTokenizer,
    /** Special tokens before and after a text's own. */
    before: number,
    after: number,
    cutLeft: boolean,
    readonly positions: number,
    /** One more than the highest token id. */
    readonly vocabularySize: number,
    /** For messages. */
    file: string,
    /** Whether texts get special tokens. */
    special = true,
  ) {
    this.#tokenizer = tokenizer;
    this.#before = before;
    this.#after = after;
    this.#cutLeft = cutLeft;
    this.#file = file;
    this.#special = special;
    this.#ascii = special ? undefined : AsciiWordPiece.of(ready.run);
  }

  /** @throws ModelError ERR_TOKENIZER names the file and what is wrong with it. */
  static async open(source: TokeniserSource): Promise<Tokeniser> {
    const { files, folder } = source;
    const config = jsonFile(files, 'tokenizer_config.json', folder) ?? {};
    const found = jsonFile(files, 'tokenizer.json', folder);
    await new Promise(setImmediate); // large vocabularies: each of the steps takes some 10 ms of the event loop
    const { encoderConfig = {}, rows = Infinity } = source;
    const ready = readyTokenizer({ ...source, config, found, encoderConfig, rows });
    const { run } = ready;
    const file = join(folder, found === undefined ? 'vocabulary' : 'tokenizer.json');
    const cutLeft = truncationSide(found ?? {}, config) === 'left';
    try {
      const text = JSON.stringify(run);
      await new Promise(setImmediate);
      const tokenizer = Tokenizer.fromString(text);
      const { before, after, largestId } = await countSpecial(tokenizer);
      if (source.positions > before + after) {
        tokenizer.setTruncation(source.positions, { direction: cutLeft ? 'left' : 'right' });
      }
      const vocabularySize = 1 + Math.max(largestId, largestOfVocabulary(tokenizer, run));
      return new Tokeniser(tokenizer, ready, before, after, cutLeft, source.positions, vocabularySize, file);
    } catch (error) {
      throw unreadable(file, error);
    }
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
    const file = join(folder, 'tokenizer.json');
    const json = jsonFile(files, 'tokenizer.json', folder);
    if (json === undefined) {
      throw new ModelError(
        'ERR_TOKENIZER',
        `${file} is missing: static embeddings are run from it. Fetch the model folder again.`,
        {
          file,
        },
      );
    }
    await new Promise(setImmediate);
    try {
      const run = { ...json, padding: null };
      const tokenizer = Tokenizer.fromString(JSON.stringify(run));
      const cut = json['truncation'] as { max_length?: unknown } | null | undefined;
      const limit = typeof cut?.max_length === 'number' ? Math.min(positions, cut.max_length) : positions;
      const ready: ReadyTokenizer = { json: run, run, className: 'PreTrainedTokenizer', roles: {}, notes: [] };
      const size = 1 + largestOfVocabulary(tokenizer, run);
      return new Tokeniser(tokenizer, ready, 0, 0, truncationSide(json, {}) === 'left', limit, size, file, false);
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  /** Special tokens that every text gets. */
  get specialTokens(): number {
    return this.#before + this.#after;
  }

  /**
   * Tokenises texts, special tokens included; a text of more than `maxInputLength` tokens loses those at its
   * end (at its start where the folder says so), its special tokens never. An empty text has its special tokens.
   *
   * @throws InvalidArgumentError ERR_MAX_INPUT_LENGTH: not an integer that leaves room for a token and is at
   *   most `positions`; ERR_TEXT_TYPE names the row. AbortError.
   */
  async encode(texts: readonly string[], maxInputLength: number, signal?: AbortSignal): Promise<TokenisedTexts> {
    this.#checkLimit(maxInputLength);
    const ids = new Ids();
    const offsets = new Int32Array(texts.length + 1);
    const add = (found: readonly number[], i: number): void => {
      this.#appendCut(ids, found, maxInputLength, this.#cutLeft);
      offsets[i + 1] = ids.length;
    };
    if (this.#ascii !== undefined) {
      await this.#eachIds(this.#ascii, texts, signal, add);
    } else {
      await this.#eachEncoding(this.#tokenizer, texts, this.#asked, signal, (encoding, i) => add(encoding.getIds(), i));
    }
    return { ids: ids.finish(), offsets };
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
    const cutLeft = side === undefined ? this.#cutLeft : side === 'left';
    const tokenizer = cutLeft === this.#cutLeft ? this.#tokenizer : await this.#untruncated();
    const ids = new Ids();
    const offsets = new Int32Array(texts.length + 1);
    const cut: number[] = [];
    await this.#eachEncoding(tokenizer, texts, this.#asked, signal, (encoding, i) => {
      const found = encoding.getIds();
      this.#appendCut(ids, found, maxInputLength, cutLeft);
      offsets[i + 1] = ids.length;
      const longer = found.length === this.positions && encoding.getOverflowing().length > 0;
      if (found.length > maxInputLength || longer) cut.push(i);
    });
    return { ids: ids.finish(), offsets, cut };
  }

  /** All tokens of each text, however long it is, with the place of each. Rejects as `encode` does. */
  async tokens(texts: readonly string[], addSpecialTokens: boolean, signal?: AbortSignal): Promise<TextToken[][]> {
    const tokenizer = await this.#untruncated();
    const all: TextToken[][] = [];
    await this.#eachEncoding(
      tokenizer,
      texts,
      { addSpecialTokens: addSpecialTokens && this.#special },
      signal,
      (encoding, i) => {
        const [ids, names, places, special] = [
          encoding.getIds(),
          encoding.getTokens(),
          encoding.getOffsets(),
          encoding.getSpecialTokensMask(),
        ];
        const characters = [...texts[i]!];
        all.push(
          ids.map((id, at) => {
            if (special[at] === 1) return { id, text: names[at]!, special: true, start: null, stop: null };
            const [start, stop] = places[at]! as [number, number];
            return { id, text: characters.slice(start, stop).join(''), special: false, start, stop };
          }),
        );
      },
    );
    return all;
  }

  /** The same tokenizer that cuts nothing; made when it is first asked for. */
  #untruncated(): Promise<Tokenizer> {
    this.#whole ??= (async () => {
      const text = JSON.stringify(this.ready.run);
      await new Promise(setImmediate); // large vocabularies, as in `open`
      const tokenizer = Tokenizer.fromString(text);
      tokenizer.disableTruncation();
      return tokenizer;
    })();
    return this.#whole;
  }

  /** Ids of each text, in order: those of plain ASCII at once, others by the tokenizer's threads. */
  async #eachIds(
    ascii: AsciiWordPiece,
    texts: readonly string[],
    signal: AbortSignal | undefined,
    visit: (ids: readonly number[], text: number) => void,
  ): Promise<void> {
    for (let from = 0; from < texts.length; ) {
      const to = pieceEnd(texts, from);
      const found = Array.from({ length: to - from }, (_, i) => ascii.encode(texts[from + i]!));
      const others = found.flatMap((ids, i) => (ids === undefined ? [i] : []));
      await this.#eachEncoding(
        this.#tokenizer,
        others.map((i) => texts[from + i]!),
        this.#asked,
        signal,
        (encoding, i) => {
          found[others[i]!] = encoding.getIds();
        },
      );
      found.forEach((ids, i) => visit(ids!, from + i));
      from = to;
      // A piece takes the event loop a millisecond or two; then others have their turn.
      if (from < texts.length) await new Promise(setImmediate);
    }
  }

  /** Tokenises texts in bounded pieces and shows the encoding of each. */
  async #eachEncoding(
    tokenizer: Tokenizer,
    texts: readonly string[],
    options: { addSpecialTokens?: boolean },
    signal: AbortSignal | undefined,
    visit: (encoding: Encoded, text: number) => void,
  ): Promise<void> {
    for (let from = 0; from < texts.length; ) {
      if (signal?.aborted) throw new AbortError('ERR_ABORTED', 'Tokenising was stopped.', { cause: signal.reason });
      const to = pieceEnd(texts, from);
      const encodings = await tokenizer.encodeBatch(texts.slice(from, to), options).catch((error: unknown) => {
        // What it lacks may show only now: a token for what is in no vocabulary, for one.
        throw new ModelError('ERR_TOKENIZER', `${this.#file} cannot tokenise a text: ${(error as Error).message}.`, {
          file: this.#file,
          cause: error,
        });
      });
      encodings.forEach((encoding, i) => visit(encoding, from + i));
      from = to;
    }
  }

  /** Tokens that a prompt has at the beginning of a text, the special ones before it included, as sentence-transformers counts. */
  async promptTokens(prompt: string): Promise<number> {
    if (prompt === '') return 0;
    const { ids } = await this.encode([prompt], this.positions);
    return ids.length - Math.min(this.#after, 1);
  }

  get #asked(): { addSpecialTokens?: boolean } {
    return this.#special ? {} : { addSpecialTokens: false };
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
  #appendCut(ids: Ids, found: readonly number[], limit: number, cutLeft: boolean): void {
    const end = found.length;
    if (end <= limit) {
      ids.append(found, 0, end);
      return;
    }
    const kept = limit - this.specialTokens;
    const first = cutLeft ? end - this.#after - kept : this.#before;
    ids.append(found, 0, this.#before);
    ids.append(found, first, first + kept);
    ids.append(found, end - this.#after, end);
  }
}

function unreadable(file: string, error: unknown): ModelError {
  return new ModelError(
    'ERR_TOKENIZER',
    `${file} is not a tokenizer that the tokenizers library can read: ` +
      `${(error as Error).message}. Fetch the model folder again.`,
    { file, cause: error },
  );
}

/** Where a piece that begins at `from` ends: bounded in texts and in length, one text at least. */
function pieceEnd(texts: readonly string[], from: number): number {
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
    if (units > PIECE_UNITS && at > from) break;
    ++at;
  }
  return at;
}

/** Their ids need not be those of the vocabulary. */
async function countSpecial(tokenizer: Tokenizer): Promise<{ before: number; after: number; largestId: number }> {
  const encoding = await tokenizer.encode('a');
  const mask = encoding.getSpecialTokensMask();
  const own = mask.indexOf(0);
  if (own < 0) throw new Error('it gives no token for the text "a"');
  return { before: own, after: mask.length - 1 - mask.lastIndexOf(0), largestId: Math.max(...encoding.getIds()) };
}

/** Highest id of a vocabulary that the library has read. Its own copy as an object takes twice as long. */
function largestOfVocabulary(tokenizer: Tokenizer, json: JsonObject): number {
  const { vocab } = json['model'] as { vocab: Record<string, number> | unknown[] };
  let largest = Array.isArray(vocab) ? vocab.length - 1 : -1;
  if (!Array.isArray(vocab)) for (const id of Object.values(vocab)) if (id > largest) largest = id;
  for (const { content } of (json['added_tokens'] ?? []) as { content: string }[]) {
    largest = Math.max(largest, tokenizer.tokenToId(content) ?? -1);
  }
  return largest;
}

function truncationSide(tokenizer: JsonObject, config: JsonObject): 'left' | 'right' {
  const baked = tokenizer['truncation'] as { direction?: unknown } | null | undefined;
  const side = config['truncation_side'] ?? baked?.direction ?? 'right';
  return String(side).toLowerCase() === 'left' ? 'left' : 'right';
}
