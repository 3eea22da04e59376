import { isUtf8 } from 'node:buffer';
import { found, invalidOption, nearest } from '../../system/options';
import { InvalidArgumentError } from '../../system/errors';
import { option, say } from '../../system/wording';

/**
 * Encodings of text files. Decoding is strict: bytes that mean nothing in the encoding are an error with their place,
 * never U+FFFD, which would be trained on.
 */

/** What other programs (Python, Windows) call the encodings that have no such name in the Encoding Standard. */
const otherNames: Readonly<Record<string, string>> = {
  'utf-8-sig': 'utf-8',
  'utf-16-le': 'utf-16le',
  'utf-16-be': 'utf-16be',
  cp932: 'shift_jis',
  ms932: 'shift_jis',
  cp936: 'gbk',
  cp949: 'euc-kr',
  cp950: 'big5',
  'mac-roman': 'macintosh',
  ansi: 'windows-1252',
};

/** Named in messages; every label of the Encoding Standard is understood. */
const usual = [
  'utf-8',
  'utf-16le',
  'utf-16be',
  'windows-1252',
  'latin1',
  'windows-1250',
  'windows-1251',
  'iso-8859-2',
  'iso-8859-15',
  'koi8-r',
  'macintosh',
  'shift_jis',
  'euc-jp',
  'iso-2022-jp',
  'gb18030',
  'gbk',
  'big5',
  'euc-kr',
];

/** The Encoding Standard's name of an encoding, or 'utf-16' where the byte order is for the mark to say. */
export function checkEncoding(path: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidOption(path, "the name of an encoding, as 'windows-1252'", value);
  const label = value.trim().toLowerCase();
  if (/^(utf|ucs)[-_]?(16|2)$/.test(label)) return 'utf-16';
  for (const name of [label, otherNames[label.replaceAll('_', '-')], label.replaceAll('_', '-')]) {
    if (name === undefined) continue;
    try {
      return new TextDecoder(name).encoding;
    } catch {
      // Another spelling, or none.
    }
  }
  const meant = nearest(label, usual);
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option(path)} must be the name of an encoding, but is ${found(value)}.`,
    {
      remedy:
        meant === undefined
          ? say`Known are ${usual.join(', ')}, and the other labels of the Encoding Standard.`
          : say`Did you mean ${option(path, meant)}?`,
    },
  );
}

/** The encoding that a byte order mark at the beginning names, and the mark's length. */
export function byteOrderMark(bytes: Uint8Array): { encoding: string; length: number } | undefined {
  const [a, b, c, d] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return { encoding: 'utf-8', length: 3 };
  if (a === 0xff && b === 0xfe && c === 0 && d === 0) return { encoding: 'utf-32le', length: 4 };
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return { encoding: 'utf-32be', length: 4 };
  if (a === 0xff && b === 0xfe) return { encoding: 'utf-16le', length: 2 };
  if (a === 0xfe && b === 0xff) return { encoding: 'utf-16be', length: 2 };
  return undefined;
}

/**
 * UTF-16 without a mark, as its zero bytes give it away: line ends, delimiters and digits have one in every language, all
 * on the same side. A text in UTF-8 may hold a zero, but not beside each line end.
 */
export function looksLikeUtf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const pairs = bytes.length >> 1;
  let high = 0; // zeros in second places, as of ASCII in little endian
  let low = 0;
  let lineEnds = 0;
  let feeds = 0;
  for (let i = 0; i < 2 * pairs; i += 2) {
    const first = bytes[i]!;
    const second = bytes[i + 1]!;
    if (second === 0) ++high;
    if (first === 0) ++low;
    if (first === 10 || second === 10) ++feeds;
    if (first + second === 10 && (first === 0 || second === 0)) ++lineEnds;
  }
  const zeros = Math.max(high, low);
  if (Math.min(high, low) > zeros / 3) return undefined;
  if (feeds > 0 ? lineEnds < feeds / 2 : zeros < pairs / 4 || zeros < 2) return undefined;
  return zeros === 0 ? undefined : high > low ? 'utf-16le' : 'utf-16be';
}

/** What came of some bytes. */
export interface Decoded {
  text: string;
  /** The bytes from the first one on that means nothing; `text` ends before it. Absent where there is none. */
  bad?: Uint8Array;
}

/** Decodes bytes as they come; characters may lie across two calls. After a bad byte it is of no more use. */
export interface Decoder {
  /** `last`: no more bytes will come, so that an unfinished character is a bad one. */
  decode(bytes: Uint8Array, last: boolean): Decoded;
}

export function decoderOf(encoding: string): Decoder {
  if (encoding === 'utf-8') return new Utf8();
  if (encoding === 'utf-16le' || encoding === 'utf-16be') return new Utf16(encoding === 'utf-16be');
  return new ByLabel(encoding);
}

/** Keeps the bytes of an unfinished character for the next call. */
abstract class Whole implements Decoder {
  #rest: Uint8Array = new Uint8Array(0);

  decode(bytes: Uint8Array, last: boolean): Decoded {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = last ? all.length : all.length - this.unfinished(all);
    this.#rest = all.slice(whole);
    const { text, end } = this.convert(Buffer.from(all.buffer, all.byteOffset, whole));
    return end === whole ? { text } : { text, bad: all.subarray(end) };
  }

  /** Bytes at the end that may be the beginning of a character. */
  protected abstract unfinished(bytes: Uint8Array): number;
  /** Text up to the first bad byte, or to the end. */
  protected abstract convert(bytes: Buffer): { text: string; end: number };
}

class Utf8 extends Whole {
  protected unfinished(bytes: Uint8Array): number {
    for (let back = 1; back <= Math.min(3, bytes.length); ++back) {
      const byte = bytes[bytes.length - back]!;
      if (byte < 0x80) return 0;
      if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? back : 0;
    }
    return 0;
  }

  protected convert(bytes: Buffer): { text: string; end: number } {
    if (isUtf8(bytes)) return { text: bytes.toString('utf8'), end: bytes.length };
    // The longest beginning that is UTF-8, by halving: every beginning of it is, but for a character that it cuts.
    let good = 0;
    let bad = bytes.length;
    while (bad - good > 1) {
      const middle = (good + bad) >> 1;
      const part = bytes.subarray(0, middle);
      if (isUtf8(part.subarray(0, middle - this.unfinished(part)))) good = middle;
      else bad = middle;
    }
    const part = bytes.subarray(0, good);
    const end = good - this.unfinished(part);
    return { text: bytes.toString('utf8', 0, end), end };
  }
}

class Utf16 extends Whole {
  readonly #big: boolean;

  constructor(big: boolean) {
    super();
    this.#big = big;
  }

  protected unfinished(bytes: Uint8Array): number {
    const odd = bytes.length & 1;
    const high = bytes[bytes.length - odd - (this.#big ? 2 : 1)];
    return high !== undefined && high >= 0xd8 && high <= 0xdb ? odd + 2 : odd;
  }

  protected convert(bytes: Buffer): { text: string; end: number } {
    const even = bytes.length & ~1;
    const units = this.#big ? Buffer.from(bytes.subarray(0, even)).swap16() : bytes.subarray(0, even);
    const text = units.toString('utf16le');
    const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(text);
    return lone === null ? { text, end: even } : { text: text.slice(0, lone.index), end: 2 * lone.index };
  }
}

/** Any other encoding, by TextDecoder. A second decoder stays a call behind: it finds the place of a bad byte. */
class ByLabel implements Decoder {
  readonly #ahead: InstanceType<typeof TextDecoder>;
  readonly #behind: InstanceType<typeof TextDecoder>;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(label: string) {
    this.#ahead = new TextDecoder(label, { fatal: true, ignoreBOM: true });
    this.#behind = new TextDecoder(label, { fatal: true, ignoreBOM: true });
  }

  decode(bytes: Uint8Array, last: boolean): Decoded {
    this.#behind.decode(this.#bytes, { stream: true });
    try {
      // Streamed to the end: Node 20 decodes windows-1252 as Latin-1 where it is not.
      let text = this.#ahead.decode(bytes, { stream: true });
      if (last) text += this.#ahead.decode();
      this.#bytes = bytes.slice();
      return { text };
    } catch {
      return this.#find(bytes);
    }
  }

  #find(bytes: Uint8Array): Decoded {
    let text = '';
    let begun = 0; // the first byte of the character that is under way
    for (let i = 0; i < bytes.length; ++i) {
      try {
        const more = this.#behind.decode(bytes.subarray(i, i + 1), { stream: true });
        text += more;
        if (more !== '') begun = i + 1;
      } catch {
        break;
      }
    }
    return { text, bad: bytes.subarray(begun) };
  }
}
