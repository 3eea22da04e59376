// By hand: of sentencepiece's protocol buffer three fields of two messages are read, and what protobufjs would take is
// more than all of this file.
import { ModelError } from '../system/errors';

/** What of a sentencepiece model a tokenizer is made of. Source: google/sentencepiece, src/sentencepiece_model.proto. */
export interface SentencePieceModel {
  pieces: SentencePiece[];
  /** The normaliser's table; empty where there is none. */
  charsmap: Buffer;
  /** 1 Unigram, 2 BPE, 3 words, 4 characters. */
  modelType: number;
}

export interface SentencePiece {
  text: string;
  score: number;
  /** 1 usual, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. */
  type: number;
}

const PIECES = 1;
const TRAINER = 2;
const NORMALIZER = 3;
const CHARSMAP = 2;
const MODEL_TYPE = 3;

/** @throws ModelError ERR_TOKENIZER: it is no such file, or is cut off. */
export function readSentencePiece(bytes: Buffer, file: string): SentencePieceModel {
  const model: SentencePieceModel = { pieces: [], charsmap: Buffer.alloc(0), modelType: 1 };
  try {
    for (const [number, value] of fieldsOf(bytes)) {
      if (number === PIECES) model.pieces.push(readPiece(asMessage(value)));
      if (number === NORMALIZER) {
        for (const [inner, content] of fieldsOf(asMessage(value)))
          if (inner === CHARSMAP) model.charsmap = asMessage(content);
      }
      if (number === TRAINER) {
        for (const [inner, content] of fieldsOf(asMessage(value)))
          if (inner === MODEL_TYPE && typeof content === 'number') model.modelType = content;
      }
    }
    if (model.pieces.length === 0) throw new Error('it has no pieces');
  } catch (error) {
    throw new ModelError(
      'ERR_TOKENIZER',
      `${file} is not a whole sentencepiece model: ${(error as Error).message}. Fetch the model folder again.`,
      { file, cause: error },
    );
  }
  return model;
}

function readPiece(message: Buffer): SentencePiece {
  const piece: SentencePiece = { text: '', score: 0, type: 1 };
  for (const [number, value] of fieldsOf(message)) {
    if (number === 1) piece.text = asMessage(value).toString('utf8');
    if (number === 2 && Buffer.isBuffer(value) && value.length === 4) piece.score = value.readFloatLE(0);
    if (number === 3 && typeof value === 'number') piece.type = value;
  }
  return piece;
}

function asMessage(value: Buffer | number): Buffer {
  if (Buffer.isBuffer(value)) return value;
  throw new Error('a field has another type than it should');
}

/** Number and content of each field: a whole number, or bytes. */
function* fieldsOf(bytes: Buffer): Generator<[number: number, value: Buffer | number]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`it ends at byte ${bytes.length} of a message`);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('a number has more than ten bytes');
  };
  const take = (count: number): Buffer => {
    if (at + count > bytes.length) throw new Error(`it ends at byte ${bytes.length} of a message`);
    at += count;
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        yield [number, varint()];
        break;
      case 1:
        yield [number, take(8)];
        break;
      case 2:
        yield [number, take(varint())];
        break;
      case 5:
        yield [number, take(4)];
        break;
      default:
        throw new Error(`a field has the unknown type ${key % 8}`);
    }
  }
}
