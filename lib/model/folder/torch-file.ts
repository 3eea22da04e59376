import { open, type FileHandle } from 'node:fs/promises';
import { ZipFile } from '../../system/zip';
import type { TensorPlace } from '../../engine/weight-files';
import { isTensor, readPickle, type PickledStorage, type PickledTensor } from './pickle';

/**
 * Where the tensors of a file of torch.save lie: of the zip archive that it writes since 1.6, whose entries are stored as
 * they are, and of the form of before. Only the pickle of names and shapes is read, by an allow-list; the engine maps the
 * bytes. Source: torch/serialization.py, caffe2/serialize/inline_container.cc.
 */

/** Torch's storages by safetensors' names, and bytes of an element. */
const TYPES: Record<string, [dtype: string, bytes: number]> = {
  FloatStorage: ['F32', 4],
  HalfStorage: ['F16', 2],
  BFloat16Storage: ['BF16', 2],
  DoubleStorage: ['F64', 8],
  LongStorage: ['I64', 8],
  IntStorage: ['I32', 4],
  ShortStorage: ['I16', 2],
  CharStorage: ['I8', 1],
  ByteStorage: ['U8', 1],
  BoolStorage: ['BOOL', 1],
};

/** Names and shapes of any model take far less. */
const MOST_PICKLE = 16 * 2 ** 20;

/** @throws Error says why it is not a file of tensors, without its name */
export async function tensorsOfTorchFile(path: string): Promise<TensorPlace[]> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const head = await readUpTo(file, 0, 4);
    return head.toString('latin1') === 'PK\x03\x04' ? await ofZip(path, file) : await ofStream(file, size);
  } finally {
    await file.close();
  }
}

async function readUpTo(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

async function ofZip(path: string, file: FileHandle): Promise<TensorPlace[]> {
  const zip = await ZipFile.open(path);
  try {
    const pickle = zip.entries.find(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
    if (pickle === undefined) throw new Error('its archive has no data.pkl');
    if (zip.entries.some(({ method }) => method !== 0)) throw new Error('its archive is packed');
    if (pickle.bytes > MOST_PICKLE) throw new Error(`its data.pkl takes ${pickle.bytes} bytes`);
    const root = pickle.name.slice(0, -'data.pkl'.length);
    const order = zip.entries.find(({ name }) => name === `${root}byteorder`);
    if (order !== undefined) {
      const text = (await readUpTo(file, await zip.dataStart(order), Math.min(order.bytes, 16))).toString('latin1');
      if (text !== 'little') throw new Error(`its byte order is "${text}"`);
    }
    const bytes = await readUpTo(file, await zip.dataStart(pickle), pickle.bytes);
    const tensors = stateDict(readPickle(bytes).value);
    const byName = new Map(zip.entries.map((entry) => [entry.name, entry]));
    const starts = new Map<string, number>();
    for (const { storage } of tensors.values()) {
      if (starts.has(storage.key)) continue;
      const entry = byName.get(`${root}data/${storage.key}`);
      if (entry === undefined) throw new Error(`its archive lacks the storage ${storage.key}`);
      if (entry.bytes < bytesOf(storage)) throw new Error(`its storage ${storage.key} is too short`);
      starts.set(storage.key, await zip.dataStart(entry));
    }
    return places(tensors, (storage) => starts.get(storage.key)!);
  } finally {
    await zip.close();
  }
}

/** Torch 1.5 and before: magic, version and sizes, the pickle, the storages' keys, and then each storage. */
async function ofStream(file: FileHandle, size: number): Promise<TensorPlace[]> {
  const bytes = await readUpTo(file, 0, Math.min(size, MOST_PICKLE));
  const magic = readPickle(bytes);
  if (magic.value !== 0x1950a86a20f9469cfc6cn) throw new Error('it does not begin as a file of torch.save does');
  const version = readPickle(bytes, magic.end);
  if (version.value !== 1001) throw new Error(`it is of the version ${String(version.value)}`);
  const system = readPickle(bytes, version.end);
  if (!(system.value instanceof Map) || system.value.get('little_endian') !== true)
    throw new Error('its byte order is not "little"');
  const object = readPickle(bytes, system.end);
  const tensors = stateDict(object.value);
  const keys = readPickle(bytes, object.end);
  const storages = new Map([...tensors.values()].map(({ storage }) => [storage.key, storage]));
  if (!Array.isArray(keys.value)) throw new Error('it has no list of storages');
  const starts = new Map<string, number>();
  let at = keys.end;
  for (const key of keys.value as unknown[]) {
    const storage = storages.get(String(key));
    const length = await readUpTo(file, at, 8);
    if (length.length < 8) throw new Error(`it breaks off at byte ${size}`);
    const elements = Number(length.readBigInt64LE(0));
    if (storage === undefined || elements !== storage.elements)
      throw new Error(`it has the storage ${String(key)}, which no tensor names in its size`);
    starts.set(storage.key, at + 8);
    at += 8 + bytesOf(storage);
  }
  for (const key of storages.keys()) if (!starts.has(key)) throw new Error(`it lacks the storage ${key}`);
  return places(tensors, (storage) => starts.get(storage.key)!);
}

function bytesOf({ type, elements }: PickledStorage): number {
  return elements * TYPES[type]![1];
}

function stateDict(value: unknown): Map<string, PickledTensor> {
  if (!(value instanceof Map)) throw new Error('it holds no dictionary of tensors');
  const tensors = new Map<string, PickledTensor>();
  for (const [name, tensor] of value as Map<unknown, unknown>) {
    if (typeof name !== 'string') throw new Error('a name in it is no text');
    if (!isTensor(tensor)) throw new Error(`what it has under "${name}" is no tensor`);
    tensors.set(name, tensor);
  }
  if (tensors.size === 0) throw new Error('it holds no tensors');
  return tensors;
}

function places(
  tensors: ReadonlyMap<string, PickledTensor>,
  startOf: (storage: PickledStorage) => number,
): TensorPlace[] {
  return [...tensors].map(([name, { storage, offset, shape, strides }]) => {
    const [dtype, bytes] = TYPES[storage.type]!;
    let dense = 1;
    for (let i = shape.length - 1; i >= 0; --i) {
      if (shape[i]! > 1 && strides[i] !== dense) throw new Error(`its tensor "${name}" does not lie in one piece`);
      dense *= shape[i]!;
    }
    if (!Number.isSafeInteger(dense) || offset + dense > storage.elements)
      throw new Error(`its tensor "${name}" reaches beyond its storage`);
    return { name, dtype, shape, begin: startOf(storage) + offset * bytes };
  });
}
