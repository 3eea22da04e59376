import { longestLine, LongLineError } from './lines';

/** The text of one JSON value in a file of many. */
export interface JsonText {
  text: string;
  /** Where it begins, from 1. */
  line: number;
}

/** Where a file of JSON values is not one; `line` says where. */
export class JsonShapeError extends Error {
  constructor(
    message: string,
    readonly line: number,
  ) {
    super(message);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/**
 * Cuts a text into the JSON values that it holds: the elements of one list (`array`), or values one after another with
 * space between. Only where values begin and end is looked at here; parsing them tells whether they are JSON. So a list of
 * any length is read in bounded pieces.
 */
export class JsonValues {
  readonly #array: boolean;
  #state: 'before' | 'first' | 'element' | 'separator' | 'after';
  /** Parts of the value under way; null between values. */
  #value: string[] | null = null;
  #held = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #scalar = false;
  #line = 1;
  #begun = 1;

  constructor(array: boolean) {
    this.#array = array;
    this.#state = array ? 'before' : 'element';
  }

  /** The values that are whole after this piece. */
  push(piece: string): JsonText[] {
    const found: JsonText[] = [];
    let from = 0;
    const finish = (end: number): void => {
      const value = this.#value!;
      value.push(piece.slice(from, end));
      found.push({ text: value.join(''), line: this.#begun });
      this.#value = null;
      this.#held = 0;
      if (this.#array) this.#state = 'separator';
    };
    for (let i = 0; i < piece.length; ++i) {
      const code = piece.charCodeAt(i);
      if (code === 0x0a) ++this.#line;
      if (this.#value !== null) {
        if (this.#inString) {
          if (this.#escaped) this.#escaped = false;
          else if (code === BACKSLASH) this.#escaped = true;
          else if (code === QUOTE) {
            this.#inString = false;
            if (this.#depth === 0) finish(i + 1);
          }
          continue;
        }
        if (this.#scalar) {
          if (!isSpace(code) && code !== COMMA && code !== CLOSE_LIST) continue;
          finish(i); // and the character is looked at below
        } else {
          if (code === QUOTE) this.#inString = true;
          else if (code === OPEN_OBJECT || code === OPEN_LIST) ++this.#depth;
          else if ((code === CLOSE_OBJECT || code === CLOSE_LIST) && --this.#depth === 0) finish(i + 1);
          continue;
        }
      }
      if (isSpace(code)) continue;
      if (this.#between(code)) continue;
      this.#value = [];
      this.#begun = this.#line;
      from = i;
      this.#inString = code === QUOTE;
      this.#escaped = false;
      this.#depth = code === OPEN_OBJECT || code === OPEN_LIST ? 1 : 0;
      this.#scalar = !this.#inString && this.#depth === 0;
    }
    if (this.#value !== null) {
      this.#value.push(piece.slice(from));
      this.#held += piece.length - from;
      if (this.#held > longestLine) throw new LongLineError(this.#begun);
    }
    return found;
  }

  /** The last value; throws where the text ends within one, or within the list. */
  end(): JsonText[] {
    if (this.#value !== null) {
      const text = this.#value.join('');
      // A value that is cut off is not JSON; the parser says so with its line.
      if (!this.#array) return [{ text, line: this.#begun }];
      throw new JsonShapeError(
        `the text ends within the value that begins here: the file is not complete`,
        this.#begun,
      );
    }
    if (this.#array && this.#state !== 'after' && this.#state !== 'before') {
      throw new JsonShapeError(`the list is not closed with ]: the file is not complete`, this.#line);
    }
    return [];
  }

  /** What stands between the values of a list. Whether it was that, and no value begins. */
  #between(code: number): boolean {
    if (!this.#array) return false;
    switch (this.#state) {
      case 'before':
        this.#state = 'first';
        return true;
      case 'first':
        this.#state = code === CLOSE_LIST ? 'after' : 'element';
        return code === CLOSE_LIST;
      case 'element':
        return false;
      case 'separator':
        if (code !== COMMA && code !== CLOSE_LIST) {
          throw new JsonShapeError('a comma is missing between two values of the list', this.#line);
        }
        this.#state = code === COMMA ? 'element' : 'after';
        return true;
      case 'after':
        throw new JsonShapeError('there is more after the end of the list', this.#line);
    }
  }
}

/**
 * How JSON stands in a file that begins so: 'array', one list of rows; 'lines', a value in each line; 'values', values one
 * after another, each of which may have several lines. A list whose first element is no row is a row itself.
 */
export function jsonLayout(beginning: string, byLines: boolean, lists: boolean): 'array' | 'lines' | 'values' {
  const text = beginning.trimStart();
  if (text.startsWith('[')) {
    const second = text.slice(1).trimStart()[0];
    if (!lists || second === undefined || second === '{' || second === '[' || second === ']') return 'array';
    return 'lines';
  }
  return byLines ? 'lines' : 'values';
}
