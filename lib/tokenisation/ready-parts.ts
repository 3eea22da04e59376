import type { JsonObject } from '../system/json';
import type { ReadyTokenizer } from './tokenizer-json';

/**
 * What a tokenizer was made of goes from its thread to the caller's in parts: a vocabulary of hundreds of thousands of words
 * as one message takes the receiver a second.
 */

/** What of a model is large. */
const LISTS = ['vocab', 'merges'] as const;
type ListName = (typeof LISTS)[number];

/** Words or merges in a part. */
const IN_PART = 4096;

type Words = { names: string[]; numbers: number[] };
export type ReadyPart = Words | unknown[];

/** All but the large lists, which are null, and what these are. */
export interface ReadyFrame {
  ready: ReadyTokenizer;
  lists: { list: ListName; length: number; kind: 'object' | 'pairs' | 'merges' }[];
}

export interface PartRequest {
  list: ListName;
  from: number;
}

/** The sender. */
export class ReadyParts {
  readonly frame: ReadyFrame;
  readonly #model: JsonObject;
  readonly #names: string[] | undefined;

  constructor(ready: ReadyTokenizer) {
    const model = ready.json['model'] as JsonObject;
    const { vocab } = model;
    this.#model = model;
    this.#names = Array.isArray(vocab) ? undefined : Object.keys(vocab as object);
    const lists = LISTS.filter((list) => model[list] !== undefined && model[list] !== null).map((list) => ({
      list,
      length: (list === 'vocab' ? this.#names : undefined)?.length ?? (model[list] as unknown[]).length,
      kind: list === 'merges' ? ('merges' as const) : Array.isArray(vocab) ? ('pairs' as const) : ('object' as const),
    }));
    const rest = { ...model, ...Object.fromEntries(lists.map(({ list }) => [list, null])) };
    this.frame = {
      ready: { ...ready, json: { ...ready.json, model: rest }, run: { ...ready.run, model: rest } },
      lists,
    };
  }

  part({ list, from }: PartRequest): ReadyPart {
    const to = from + IN_PART;
    if (list === 'merges') return (this.#model['merges'] as unknown[]).slice(from, to);
    if (this.#names === undefined) {
      const pairs = (this.#model['vocab'] as [string, number][]).slice(from, to);
      return { names: pairs.map(([name]) => name), numbers: pairs.map(([, number]) => number) };
    }
    const names = this.#names.slice(from, to);
    const vocab = this.#model['vocab'] as Record<string, number>;
    return { names, numbers: names.map((name) => vocab[name]!) };
  }
}

/** The receiver: puts together what `part` brings. */
export async function assembled(
  { ready, lists }: ReadyFrame,
  part: (request: PartRequest) => Promise<ReadyPart>,
): Promise<ReadyTokenizer> {
  const model = { ...(ready.json['model'] as JsonObject) };
  for (const { list, length, kind } of lists) {
    const listed: unknown[] = [];
    const named: Record<string, unknown> = {};
    for (let from = 0; from < length; from += IN_PART) {
      const found = await part({ list, from });
      if (Array.isArray(found)) for (const one of found) listed.push(one);
      else found.names.forEach((name, i) => add(kind === 'pairs' ? listed : named, name, found.numbers[i]!));
    }
    model[list] = (kind === 'object' ? named : listed) as JsonObject;
  }
  return { ...ready, json: { ...ready.json, model }, run: { ...ready.run, model } };
}

function add(to: unknown[] | Record<string, unknown>, name: string, value: number): void {
  if (Array.isArray(to)) to.push([name, value]);
  // A word may be called so, and is then no prototype.
  else if (name === '__proto__')
    Object.defineProperty(to, name, { value, enumerable: true, writable: true, configurable: true });
  else to[name] = value;
}
