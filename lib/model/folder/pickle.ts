// By hand: npm's readers of pickles build whatever objects a file asks for, and none knows torch's tensors. This one
// refuses all but the few operations and names that a dictionary of tensors is written with, and calls nothing.

/**
 * What torch.save writes of a model's weights, without executing anything: a dictionary of tensors, each a place in a
 * storage. Source: CPython's pickletools (protocols 0 to 4), torch/_weights_only_unpickler.py, torch/serialization.py.
 */

/** A view of a storage. Sizes and strides count elements. */
export interface PickledTensor {
  storage: PickledStorage;
  offset: number;
  shape: number[];
  strides: number[];
}

export interface PickledStorage {
  /** torch's class, as 'FloatStorage'. */
  type: string;
  key: string;
  elements: number;
}

/** A callable that is allowed; it is never called. */
class Name {
  constructor(readonly text: string) {}
}

class Tensor implements PickledTensor {
  constructor(
    readonly storage: PickledStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

class Storage implements PickledStorage {
  constructor(
    readonly type: string,
    readonly key: string,
    readonly elements: number,
  ) {}
}

export type Pickled = Map<unknown, unknown> | Tensor | string | number | bigint | boolean | null | unknown[];

const ORDERED = 'collections OrderedDict';
const REBUILD = 'torch._utils _rebuild_tensor_v2';
const PARAMETER = 'torch._utils _rebuild_parameter';
const STORAGE = /^torch (?:Float|Half|BFloat16|Double|Long|Int|Short|Char|Byte|Bool)Storage$/;

function allowed(name: string): Name {
  if (name === ORDERED || name === REBUILD || name === PARAMETER || STORAGE.test(name)) return new Name(name);
  throw new Error(`it names ${name.replace(' ', '.')}, which is no part of a file of tensors`);
}

/** More than any model's names and shapes take. */
const MOST_OPERATIONS = 5_000_000;

/**
 * Reads one pickle from `at` on.
 *
 * @returns what it holds, and where it ends
 * @throws Error says what is not allowed, or where it breaks off
 */
export function readPickle(bytes: Buffer, at = 0): { value: unknown; end: number } {
  const stack: unknown[] = [];
  const marks: number[] = [];
  const memo = new Map<number, unknown>();
  const need = (count: number) => {
    if (at + count > bytes.length) throw new Error(`it breaks off at byte ${bytes.length}`);
    at += count;
    return at - count;
  };
  const uint8 = () => bytes[need(1)]!;
  const uint32 = () => bytes.readUInt32LE(need(4));
  const text = (length: number) => {
    const from = need(length);
    return bytes.toString('utf8', from, from + length);
  };
  const line = () => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw new Error(`it breaks off at byte ${bytes.length}`);
    const found = bytes.toString('utf8', at, end);
    at = end + 1;
    return found;
  };
  const pop = () => {
    if (stack.length === 0 || stack.length === marks.at(-1)) throw new Error('it takes from an empty stack');
    return stack.pop();
  };
  const top = () => {
    if (stack.length === 0) throw new Error('it takes from an empty stack');
    return stack.at(-1);
  };
  const sinceMark = () => {
    const mark = marks.pop();
    if (mark === undefined) throw new Error('it takes from an empty stack');
    return stack.splice(mark);
  };
  const remembered = (key: number) => {
    if (!memo.has(key)) throw new Error(`it recalls what it did not remember (${key})`);
    return memo.get(key);
  };
  const setItems = (items: readonly unknown[]) => {
    const target = top();
    if (!(target instanceof Map) || items.length % 2 !== 0) throw new Error('it sets items of what is no dictionary');
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  };
  const append = (items: readonly unknown[]) => {
    const target = top();
    if (!Array.isArray(target)) throw new Error('it appends to what is no list');
    for (const item of items) target.push(item);
  };

  for (let count = 0; count < MOST_OPERATIONS; ++count) {
    const code = uint8();
    switch (String.fromCharCode(code)) {
      case '\x80':
        if (uint8() > 4) throw new Error('it is of a pickle protocol above 4');
        break;
      case '\x95': // a frame: its length
        need(8);
        break;
      case '.':
        return { value: pop(), end: at };
      case '(':
        marks.push(stack.length);
        break;
      case '0':
        pop();
        break;
      case '1':
        sinceMark();
        break;
      case '}':
        stack.push(new Map());
        break;
      case ']':
        stack.push([]);
        break;
      case ')':
        stack.push([]);
        break;
      case 't':
      case 'l':
        stack.push(sinceMark());
        break;
      case 'd': {
        const items = sinceMark();
        stack.push(new Map());
        setItems(items);
        break;
      }
      case '\x85':
        stack.push([pop()]);
        break;
      case '\x86': {
        const second = pop();
        stack.push([pop(), second]);
        break;
      }
      case '\x87': {
        const third = pop();
        const second = pop();
        stack.push([pop(), second, third]);
        break;
      }
      case 'N':
        stack.push(null);
        break;
      case '\x88':
        stack.push(true);
        break;
      case '\x89':
        stack.push(false);
        break;
      case 'K':
        stack.push(uint8());
        break;
      case 'M':
        stack.push(bytes.readUInt16LE(need(2)));
        break;
      case 'J':
        stack.push(bytes.readInt32LE(need(4)));
        break;
      case '\x8a': {
        const length = uint8();
        const from = need(length);
        let value = 0n;
        for (let i = length - 1; i >= 0; --i) value = (value << 8n) | BigInt(bytes[from + i]!);
        if (length > 0 && bytes[from + length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
        const small = Number(value);
        stack.push(Number.isSafeInteger(small) ? small : value);
        break;
      }
      case 'I': {
        const found = line();
        stack.push(found === '01' ? true : found === '00' ? false : integerOf(found));
        break;
      }
      case 'L':
        stack.push(integerOf(line().replace(/L$/, '')));
        break;
      case 'G':
        stack.push(bytes.readDoubleBE(need(8)));
        break;
      case 'X':
        stack.push(text(uint32()));
        break;
      case '\x8c':
        stack.push(text(uint8()));
        break;
      case 'U': // texts of Python 2
        stack.push(text(uint8()));
        break;
      case 'T':
        stack.push(text(uint32()));
        break;
      case 'q':
        memo.set(uint8(), top());
        break;
      case 'r':
        memo.set(uint32(), top());
        break;
      case '\x94':
        memo.set(memo.size, top());
        break;
      case 'h':
        stack.push(remembered(uint8()));
        break;
      case 'j':
        stack.push(remembered(uint32()));
        break;
      case 'c':
        stack.push(allowed(`${line()} ${line()}`));
        break;
      case '\x93': {
        const name = pop();
        stack.push(allowed(`${String(pop())} ${String(name)}`));
        break;
      }
      case 's': {
        const value = pop();
        const key = pop();
        setItems([key, value]);
        break;
      }
      case 'u':
        setItems(sinceMark());
        break;
      case 'a': {
        const item = pop();
        append([item]);
        break;
      }
      case 'e':
        append(sinceMark());
        break;
      case 'Q':
        stack.push(storageOf(pop()));
        break;
      case 'R': {
        const given = pop();
        stack.push(rebuilt(pop(), given));
        break;
      }
      case 'b': {
        // The attributes of an OrderedDict (torch's _metadata): nothing of them is kept.
        const state = pop();
        if (!(top() instanceof Map) || !(state instanceof Map || state === null))
          throw new Error('it sets attributes of what is no dictionary');
        break;
      }
      default:
        throw new Error(
          `it has the operation 0x${code.toString(16).padStart(2, '0')} at byte ${at - 1}, which no file of tensors needs`,
        );
    }
    if (stack.length > MOST_OPERATIONS / 10) throw new Error('it grows without end');
  }
  throw new Error(`it has more than ${MOST_OPERATIONS} operations`);
}

function integerOf(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && /^-?\d+$/.test(text)) return value;
  throw new Error(`it has "${text.slice(0, 20)}" for an integer`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** ('storage', class, key, place, elements), to which files of before torch 1.6 add a view. */
function storageOf(id: unknown): Storage {
  const [kind, type, key, , elements, view] = Array.isArray(id) ? (id as unknown[]) : [];
  if (
    kind !== 'storage' ||
    !(type instanceof Name) ||
    !STORAGE.test(type.text) ||
    typeof key !== 'string' ||
    !isCount(elements) ||
    (view !== undefined && view !== null)
  )
    throw new Error('it names a storage in a way that is not known');
  return new Storage(type.text.slice('torch '.length), key, elements);
}

function rebuilt(callable: unknown, given: unknown): unknown {
  const name = callable instanceof Name ? callable.text : '';
  const list = Array.isArray(given) ? (given as unknown[]) : undefined;
  if (list !== undefined && name === ORDERED) {
    if (list.length === 0) return new Map();
    // Python 2 gives its items as a list of pairs.
    const items = list.length === 1 && Array.isArray(list[0]) ? (list[0] as unknown[]) : undefined;
    if (items?.every((item) => Array.isArray(item) && item.length === 2)) return new Map(items as [unknown, unknown][]);
  }
  if (list !== undefined && name === PARAMETER && list[0] instanceof Tensor) return list[0];
  if (list !== undefined && name === REBUILD) {
    const [storage, offset, shape, strides] = list;
    const counts = (value: unknown): value is number[] => Array.isArray(value) && value.every(isCount);
    if (
      storage instanceof Storage &&
      isCount(offset) &&
      counts(shape) &&
      counts(strides) &&
      shape.length === strides.length &&
      shape.length <= 32
    )
      return new Tensor(storage, offset, shape, strides);
  }
  throw new Error(
    `it calls ${name === '' ? 'what is no function' : name.replace(' ', '.')} in a way that is not known`,
  );
}

/** Whether what a pickle holds is a tensor. */
export function isTensor(value: unknown): value is PickledTensor {
  return value instanceof Tensor;
}
