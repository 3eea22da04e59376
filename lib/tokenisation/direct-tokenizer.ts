import { join } from 'node:path';
import { Tokenizer } from 'tokenizers';
import { ModelError } from '../system/errors';
import type { JsonObject } from '../system/json';
import { AsciiWordPiece } from './ascii-word-piece';
import { checkCharsmaps } from './charsmap';
import { Ids } from './ids';
import type { EncodedTexts, PlacedTokens, TextTokenizer, TokenizerFacts, TokenizerSource } from './text-tokenizer';
import { jsonFile } from './tokenizer-files';
import { readyTokenizer, type ReadyTokenizer } from './tokenizer-json';

/** Tokens from which on what the library has of them comes in several turns. */
const LONG = 4096;

type Encoded = Awaited<ReturnType<Tokenizer['encodeBatch']>>[number];

/**
 * The tokenizers library in this thread. Its own threads tokenise; what it does when a tokenizer is made holds this one,
 * half a second where the vocabulary is of hundreds of thousands of words.
 */
export class DirectTokenizer implements TextTokenizer {
  readonly facts: TokenizerFacts;
  readonly #ready: ReadyTokenizer;
  readonly #tokenizer: Tokenizer;
  /** For texts of plain ASCII without special tokens, where the tokenizer is BERT's. */
  readonly #ascii: AsciiWordPiece | undefined;
  #whole: Promise<Tokenizer> | undefined;

  private constructor(tokenizer: Tokenizer, ready: ReadyTokenizer, facts: TokenizerFacts) {
    this.#tokenizer = tokenizer;
    this.#ready = ready;
    this.facts = facts;
    this.#ascii = facts.special ? undefined : AsciiWordPiece.of(ready.run);
  }

  /** @throws ModelError ERR_TOKENIZER names the file and what is wrong with it. */
  static open(source: TokenizerSource): Promise<DirectTokenizer> {
    return source.kind === 'as it is' ? DirectTokenizer.#asItIs(source) : DirectTokenizer.#ofFiles(source);
  }

  static async #ofFiles(source: TokenizerSource & { kind: 'of files' }): Promise<DirectTokenizer> {
    const { files, folder, positions } = source;
    const config = jsonFile(files, 'tokenizer_config.json', folder) ?? {};
    const found = jsonFile(files, 'tokenizer.json', folder);
    await new Promise(setImmediate); // each of the steps takes some 10 ms of the thread
    const ready = readyTokenizer({ ...source, config, found });
    const { run, notes } = ready;
    const file = join(folder, found === undefined ? 'vocabulary' : 'tokenizer.json');
    const cutLeft = truncationSide(found ?? {}, config) === 'left';
    try {
      checkCharsmaps(run['normalizer']);
      const text = JSON.stringify(run);
      await new Promise(setImmediate);
      const tokenizer = Tokenizer.fromString(text);
      const { before, after, largestId } = await countSpecial(tokenizer);
      if (positions > before + after) {
        tokenizer.setTruncation(positions, { direction: cutLeft ? 'left' : 'right' });
      }
      const vocabularySize = 1 + Math.max(largestId, largestOfVocabulary(tokenizer, run));
      const { eos_token, pad_token } = ready.roles;
      const end = [eos_token, pad_token].map((token) => token !== undefined && tokenizer.tokenToId(token));
      const empty = before + after > 0 ? null : (end.find((id) => typeof id === 'number') ?? null);
      const facts = { file, before, after, cutLeft, positions, vocabularySize, special: true, empty, notes };
      return new DirectTokenizer(tokenizer, ready, facts);
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  static async #asItIs({ folder, files, positions }: TokenizerSource): Promise<DirectTokenizer> {
    const file = join(folder, 'tokenizer.json');
    const json = jsonFile(files, 'tokenizer.json', folder);
    if (json === undefined) {
      throw new ModelError(
        'ERR_TOKENIZER',
        `${file} is missing: static embeddings are run from it. Fetch the model folder again.`,
        { file },
      );
    }
    await new Promise(setImmediate);
    try {
      const run: JsonObject = { ...json, padding: null };
      checkCharsmaps(run['normalizer']);
      const tokenizer = Tokenizer.fromString(JSON.stringify(run));
      const cut = json['truncation'] as { max_length?: unknown } | null | undefined;
      const ready: ReadyTokenizer = { json: run, run, className: 'PreTrainedTokenizer', roles: {}, notes: [] };
      return new DirectTokenizer(tokenizer, ready, {
        file,
        before: 0,
        after: 0,
        cutLeft: truncationSide(json, {}) === 'left',
        positions: typeof cut?.max_length === 'number' ? Math.min(positions, cut.max_length) : positions,
        vocabularySize: 1 + largestOfVocabulary(tokenizer, run),
        special: false,
        empty: null,
        notes: [],
      });
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  async ready(): Promise<ReadyTokenizer> {
    return this.#ready;
  }

  async encode(texts: readonly string[], whole: boolean): Promise<EncodedTexts> {
    const { special, positions, empty } = this.facts;
    const tokenizer = whole ? await this.#untruncated() : this.#tokenizer;
    const found = texts.map((text) => this.#ascii?.encode(text));
    const others = found.flatMap((ids, i) => (ids === undefined ? [i] : []));
    const encodings = await this.#encodings(
      tokenizer,
      others.map((i) => texts[i]!),
      special,
    );
    const longer: number[] = [];
    encodings.forEach((encoding, i) => {
      const ids = encoding.getIds();
      found[others[i]!] = ids.length === 0 && empty !== null ? [empty] : ids;
      if (ids.length === positions && encoding.getOverflowing().length > 0) longer.push(others[i]!);
    });
    const ids = new Ids();
    const offsets = new Int32Array(texts.length + 1);
    found.forEach((of, i) => {
      ids.append(of!, 0, of!.length);
      offsets[i + 1] = ids.length;
    });
    return { ids: ids.finish(), offsets, longer };
  }

  async tokens(texts: readonly string[], addSpecialTokens: boolean): Promise<PlacedTokens[]> {
    const tokenizer = await this.#untruncated();
    const encodings = await this.#encodings(tokenizer, texts, addSpecialTokens && this.facts.special);
    const found: PlacedTokens[] = [];
    for (const encoding of encodings) {
      const ids = Int32Array.from(encoding.getIds());
      const special = Uint8Array.from(encoding.getSpecialTokensMask());
      const places = new Int32Array(2 * ids.length);
      if (ids.length > LONG) await new Promise(setImmediate);
      for (const [i, place] of encoding.getOffsets().entries()) {
        places[2 * i] = place[0]!;
        places[2 * i + 1] = place[1]!;
      }
      if (ids.length > LONG) await new Promise(setImmediate);
      const names: string[] = [];
      for (let i = special.indexOf(1); i >= 0; i = special.indexOf(1, i + 1))
        names.push(tokenizer.idToToken(ids[i]!) ?? '');
      found.push({ ids, special, places, names });
    }
    return found;
  }

  close(): void {
    // The library frees it when nobody has it.
  }

  /** The same tokenizer that cuts nothing; made when it is first asked for. */
  #untruncated(): Promise<Tokenizer> {
    this.#whole ??= (async () => {
      const text = JSON.stringify(this.#ready.run);
      await new Promise(setImmediate); // as in `open`
      const tokenizer = Tokenizer.fromString(text);
      tokenizer.disableTruncation();
      return tokenizer;
    })();
    return this.#whole;
  }

  async #encodings(tokenizer: Tokenizer, texts: readonly string[], addSpecialTokens: boolean): Promise<Encoded[]> {
    if (texts.length === 0) return [];
    return tokenizer.encodeBatch([...texts], addSpecialTokens ? {} : { addSpecialTokens });
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
