import { z } from 'zod';
import { isObject } from '../system/json';
import { show } from '../system/options';
import { HttpError } from './http-error';

/*
 * What requests may bring, as schemas of zod, from which the API's description is made too. A field that is not in a
 * schema is refused by name. The inputs, which may be long, are looked through by hand up to the first fault.
 */

/** Texts, or the token ids of texts. */
export type Inputs = {
  /** Whether it was one input, and no list. */
  single: boolean;
} & ({ texts: readonly string[]; ids?: undefined } | { ids: readonly (readonly number[])[]; texts?: undefined });

const strings = { type: 'array', items: { type: 'string' }, minItems: 1 };
const ids = { type: 'array', items: { type: 'integer', minimum: 0 }, minItems: 1 };
const idLists = { type: 'array', items: ids, minItems: 1 };
const anyInput = { oneOf: [{ type: 'string' }, strings, ids, idLists] };

/** An input for which inputsOf is to be called, described as JSON schema has it. */
function input(description: string) {
  return z
    .unknown()
    .refine((value) => value !== undefined, { error: 'is missing' })
    .meta({ ...anyInput, description });
}

const model = z.string().nullish().meta({ description: "Name of a model of /v1/models. Default: the server's first." });
const truncate = z
  .boolean()
  .nullish()
  .meta({ description: "Whether longer texts than the model takes are cut. Default: the server's option." });
const truncation_direction = z
  .enum(['Left', 'Right', 'left', 'right'])
  .nullish()
  .meta({ description: "Where they are cut. Default: the model's own side." });
const prompt_name = z.string().nullish().meta({
  description: "Name of a prompt of the model's, to put before every text. Default: what the model is served with.",
});
const input_type = z.enum(['query', 'document', 'passage']).nullish().meta({
  description:
    "Whether the texts are searched for or found: the model's own prompt for that is put before them, if it has one. Default: what the model is served with.",
});
const dimensions = z.int().min(1).nullish().meta({ description: 'Only the first so many numbers of each vector.' });

export const embeddingsBody = z.strictObject({
  input: input('A text, a list of texts, the token ids of a text, or a list of those.'),
  model,
  encoding_format: z
    .enum(['float', 'base64'])
    .nullish()
    .meta({ description: 'base64 is of float32, little-endian. Default float.' }),
  dimensions,
  prompt_name,
  input_type,
  user: z.string().nullish().meta({ description: 'Taken, as OpenAI does, and used for nothing.' }),
});

export const embedBody = z.strictObject({
  inputs: input('A text, a list of texts, the token ids of a text, or a list of those.'),
  model,
  normalize: z.boolean().nullish().meta({ description: 'Whether vectors are brought to length 1. Default true.' }),
  truncate,
  truncation_direction,
  prompt_name,
  dimensions,
});

export const similarityBody = z.strictObject({
  inputs: z.strictObject({
    source_sentence: z.string().meta({ description: 'The text that the others are compared with.' }),
    sentences: z
      .unknown()
      .refine((value) => value !== undefined, { error: 'is missing' })
      .meta({ ...strings, description: 'The others.' }),
  }),
  parameters: z.strictObject({ truncate, truncation_direction, prompt_name }).nullish(),
  model,
});

export const tokenizeBody = z.strictObject({
  inputs: z
    .unknown()
    .refine((value) => value !== undefined, { error: 'is missing' })
    .meta({ oneOf: [{ type: 'string' }, strings], description: 'A text, or a list of texts.' }),
  model,
  add_special_tokens: z.boolean().nullish().meta({ description: 'Default true.' }),
  prompt_name,
});

/** What was found, however large it is: an object of a hundred thousand members is not written out. */
function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return show(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** Checks a body. @throws HttpError names the field and what was expected */
export function checkBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  if (!isObject(body)) throw new HttpError('invalid', `The body must be a JSON object, but is ${kindOf(body)}.`);
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const param = path === '' ? key : `${path}.${key}`;
    const shape = (schema as unknown as { shape?: object }).shape;
    const known = path === '' && shape !== undefined ? ` There are: ${Object.keys(shape).join(', ')}.` : '';
    throw new HttpError('invalid', `There is no field ${show(param)} here.${known}`, {
      param: param.slice(0, 64),
      code: 'unknown_field',
    });
  }
  throw new HttpError('invalid', `${path}: ${issue.message}.`, { param: path });
}

/** The inputs of a request, looked through. @throws HttpError names the first that is wrong */
export function inputsOf(value: unknown, param: string, maxTexts: number): Inputs {
  if (typeof value === 'string') return { single: true, texts: [text(value, param)] };
  if (!Array.isArray(value)) {
    throw new HttpError('invalid', `${param} must be a text or a list of texts, but is ${kindOf(value)}.`, { param });
  }
  if (value.length === 0) throw new HttpError('empty', `${param} is an empty list.`, { param });
  if (typeof value[0] === 'number') return { single: true, ids: [idsOf(value, param)] };
  if (value.length > maxTexts) {
    throw new HttpError(
      'large',
      `${param} has ${value.length} texts, and a request may have ${maxTexts}. Send them in several requests.`,
      { param },
    );
  }
  if (Array.isArray(value[0])) return { single: false, ids: value.map((one, i) => idsOf(one, `${param}[${i}]`)) };
  return { single: false, texts: value.map((one, i) => text(one, `${param}[${i}]`)) };
}

/** The same where only texts make sense. */
export function textsOf(
  value: unknown,
  param: string,
  maxTexts: number,
): { single: boolean; texts: readonly string[] } {
  const { single, texts } = inputsOf(value, param, maxTexts);
  if (texts === undefined) throw new HttpError('invalid', `${param} must be texts, but is token ids.`, { param });
  return { single, texts };
}

function text(value: unknown, param: string): string {
  if (typeof value !== 'string') {
    throw new HttpError('invalid', `${param} must be a text, but is ${kindOf(value)}.`, { param });
  }
  if (value === '') throw new HttpError('empty', `${param} is an empty text.`, { param });
  return value;
}

function idsOf(value: unknown, param: string): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new HttpError('invalid', `${param} must be a list of token ids, but is ${kindOf(value)}.`, { param });
  }
  value.forEach((id, i) => {
    if (Number.isSafeInteger(id) && (id as number) >= 0) return;
    throw new HttpError('invalid', `${param}[${i}] must be a token id, but is ${kindOf(id)}.`, { param });
  });
  return value as number[];
}
