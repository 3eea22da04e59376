import { Readable } from 'node:stream';
import type { Tokeniser } from '../tokenisation/tokeniser';
import type { PlacedTokens } from '../tokenisation/text-tokenizer';
import type { Place } from './admission';
import type { Holding } from './held-bytes';
import { HttpError } from './http-error';

/** Most bytes of a text: the tokenizers library gives its tokens' places in one turn of the event loop. */
const LONGEST = 100_000;

/** Tokens that are written in one turn. */
const AT_ONCE = 2048;

/** A token of a text, as text-embeddings-inference has it. */
interface TextToken {
  id: number;
  /** The part of the text that it stands for; of a special token its own name. */
  text: string;
  special: boolean;
  /** Where that part begins and ends in the text, in characters (code points); null of a special token. */
  start: number | null;
  stop: number | null;
}

/** @throws HttpError 413 for a text that is too long to be told token by token */
export function checkLengths(texts: readonly string[], single: boolean): void {
  for (const [i, text] of texts.entries()) {
    // A code unit has three bytes at most.
    if (3 * text.length <= LONGEST) continue;
    const bytes = Buffer.byteLength(text);
    if (bytes <= LONGEST) continue;
    const param = single ? 'inputs' : `inputs[${i}]`;
    throw new HttpError(
      'large',
      `${param} has ${bytes} bytes, and a text may have ${LONGEST} here. Divide it, at a space or the end of a sentence.`,
      { param },
    );
  }
}

/** The answer in parts, whose tokens and bytes are counted as they are made. */
export async function tokenLists(
  tokeniser: Tokeniser,
  texts: readonly string[],
  addSpecialTokens: boolean,
  { place, holding, signal }: { place: Place; holding: Holding; signal: AbortSignal },
): Promise<Buffer[]> {
  const parts: Buffer[] = [];
  const add = (text: string) => {
    const part = Buffer.from(text);
    holding.take(part.length);
    parts.push(part);
  };
  let number = 0;
  let before = '[[';
  for await (const placed of tokeniser.tokens(texts, addSpecialTokens, signal)) {
    place.take(placed.ids.length);
    const written = tokensOf(texts[number++]!, placed);
    for (let from = 0; from === 0 || from < placed.ids.length; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, placed.ids.length - from) }, () => written.next().value);
      add(`${before}${some.map((token) => JSON.stringify(token)).join(',')}`);
      before = ',';
      await new Promise(setImmediate);
      signal.throwIfAborted();
    }
    before = '],[';
  }
  add(']]');
  return parts;
}

function* tokensOf(text: string, { ids, special, places, names }: PlacedTokens): Generator<TextToken, undefined> {
  const characters = [...text];
  let named = 0;
  for (const [i, id] of ids.entries()) {
    if (special[i] === 1) {
      yield { id, text: names[named++]!, special: true, start: null, stop: null };
      continue;
    }
    const [start, stop] = [places[2 * i]!, places[2 * i + 1]!];
    yield { id, text: characters.slice(start, stop).join(''), special: false, start, stop };
  }
}

/** Of parts that exist: as one where they are few. */
export function answerOf(parts: readonly Buffer[]): string | Readable {
  if (parts.length <= 2) return Buffer.concat(parts).toString();
  return Readable.from(parts, { objectMode: false });
}
