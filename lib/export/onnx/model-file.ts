import { join } from 'node:path';
import { writingFile } from '../file-writer';
import { TYPES, type Attribute, type Graph, type Initializer, type Node, type Port } from './graph';
import { Message, prefix } from './protobuf';

/** ModelProto of onnx.proto3 (ONNX 1.12: IR version 8, opset 17), written with the weights in pieces. */
const IR_VERSION = 8;
const OPSET = 17;

/** What one file of protocol buffers may have, and a little less. */
const MOST_INLINE = 2_000_000_000;
/** Smaller constants stay in the graph: shapes are worked out from them. */
const LEAST_EXTERNAL = 1024;
/** So that a file can be mapped. */
const PAGE = 4096;

const ATTRIBUTE = { float: 1, int: 2, text: 3, ints: 7 } as const;

function attribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if ('float' in value) return message.float(2, value.float).integer(20, ATTRIBUTE.float);
  if ('int' in value) return message.integer(3, value.int).integer(20, ATTRIBUTE.int);
  if ('text' in value) return message.text(4, value.text).integer(20, ATTRIBUTE.text);
  for (const number of value.ints) message.integer(8, number);
  return message.integer(20, ATTRIBUTE.ints);
}

function node({ type, inputs, outputs, attributes }: Node): Message {
  const message = new Message();
  for (const input of inputs) message.text(1, input);
  for (const output of outputs) message.text(2, output);
  message.text(3, outputs[0]!).text(4, type);
  for (const [name, value] of Object.entries(attributes)) message.message(5, attribute(name, value));
  return message;
}

function port({ name, type, shape }: Port): Message {
  const sizes = new Message();
  for (const size of shape) {
    sizes.message(1, typeof size === 'number' ? new Message().integer(1, size) : new Message().text(2, size));
  }
  const tensor = new Message().integer(1, TYPES[type]).message(2, sizes);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}

/** Where the numbers of a constant lie in a file of their own. */
interface External {
  file: number;
  offset: number;
}

/** TensorProto without `raw_data`. */
function tensor({ name, type, shape, bytes }: Initializer, external: External | undefined, files: string[]): Buffer {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  message.integer(2, TYPES[type]).text(8, name);
  if (external === undefined) return message.finish();
  const told = { location: files[external.file]!, offset: String(external.offset), length: String(bytes) };
  for (const [key, value] of Object.entries(told)) message.message(13, new Message().text(1, key).text(2, value));
  return message.integer(14, 1).finish();
}

export interface OnnxFileOptions {
  producerVersion: string;
  /** More than this of weights lies in files of their own, each at most so large. Default MOST_INLINE. */
  mostInline?: number;
  /** Is told how far a file is; what it throws ends the writing. */
  onBytes: (file: string, written: number, total: number) => void;
}

/**
 * Writes the graph to `name` in a folder, and where it is too large for one file the weights beside it, to `name`_data,
 * `name`_data_1 and so on, as transformers.js looks for them.
 *
 * @returns the names of the files of weights
 */
export async function writeOnnx(
  graph: Graph,
  folder: string,
  name: string,
  options: OnnxFileOptions,
): Promise<string[]> {
  const most = options.mostInline ?? MOST_INLINE;
  const weights = graph.initializers.reduce((sum, { bytes }) => sum + bytes, 0);
  const { places, files, sizes } = weights > most ? outside(graph.initializers, name, most) : noneOutside();

  const front = new Message();
  for (const one of graph.nodes) front.message(1, node(one));
  front.text(2, 'vectune');
  const back = new Message();
  for (const one of graph.inputs) back.message(11, port(one));
  for (const one of graph.outputs) back.message(12, port(one));
  const heads = graph.initializers.map((one) => tensor(one, places.get(one), files));
  const inside = (one: Initializer) => !places.has(one);
  const tensors = graph.initializers.map((one, i) => {
    const raw = inside(one) ? prefix(9, one.bytes) : Buffer.alloc(0);
    const length = heads[i]!.length + raw.length + (inside(one) ? one.bytes : 0);
    return { one, start: Buffer.concat([prefix(5, length), heads[i]!, raw]), length };
  });
  const [begin, end] = [front.finish(), back.finish()];
  const bytes = tensors.reduce((sum, { start, one }) => sum + start.length + (inside(one) ? one.bytes : 0), 0);
  const length = begin.length + bytes + end.length;
  const head = new Message()
    .integer(1, IR_VERSION)
    .text(2, 'vectune')
    .text(3, options.producerVersion)
    .message(8, new Message().text(1, '').integer(2, OPSET))
    .finish();

  const total = head.length + prefix(7, length).length + length;
  await writingFile(
    join(folder, name),
    (written) => options.onBytes(name, written, total),
    async (file) => {
      for (const part of [head, prefix(7, length), begin]) await file.write(part);
      for (const { one, start } of tensors) {
        await file.write(start);
        if (inside(one)) for await (const piece of one.pieces()) await file.write(piece);
      }
      await file.write(end);
    },
  );
  for (const [number, path] of files.entries()) {
    await writingFile(
      join(folder, path),
      (written) => options.onBytes(path, written, sizes[number]!),
      async (file) => {
        for (const one of graph.initializers) {
          if (places.get(one)?.file !== number) continue;
          await file.align(PAGE);
          for await (const piece of one.pieces()) await file.write(piece);
        }
      },
    );
  }
  return files;
}

interface Outside {
  places: ReadonlyMap<Initializer, External>;
  files: string[];
  sizes: number[];
}

function noneOutside(): Outside {
  return { places: new Map(), files: [], sizes: [] };
}

/** Which file each of the larger constants goes to, and where in it. */
function outside(all: readonly Initializer[], name: string, most: number): Outside {
  const places = new Map<Initializer, External>();
  const files: string[] = [];
  const sizes: number[] = [];
  for (const one of all) {
    if (one.bytes < LEAST_EXTERNAL) continue;
    const last = files.length - 1;
    const offset = last < 0 ? 0 : Math.ceil(sizes[last]! / PAGE) * PAGE;
    if (last >= 0 && offset + one.bytes <= most) {
      places.set(one, { file: last, offset });
      sizes[last] = offset + one.bytes;
    } else {
      files.push(`${name}_data${last < 0 ? '' : `_${last + 1}`}`);
      places.set(one, { file: last + 1, offset: 0 });
      sizes.push(one.bytes);
    }
  }
  return { places, files, sizes };
}
