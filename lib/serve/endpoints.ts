import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { ADDON_VERSION } from '../engine/load';
import { cosine } from '../embed/similarity';
import { asBase64, asList, listOf } from './answers';
import { checkBody, embedBody, embeddingsBody, inputsOf, similarityBody, textsOf, tokenizeBody } from './bodies';
import { embedInputs, held, promptOf, type EmbedRequest, type Workplace } from './embed-inputs';
import type { HeldBytes, Holding } from './held-bytes';
import { HttpError, type ErrorForm } from './http-error';
import type { ServedModel, ServedModels } from './served-model';
import { answerOf, checkLengths, tokenLists } from './tokenize';

/** What endpoints work with. */
export interface Desk extends Workplace {
  models: ServedModels;
  held: HeldBytes;
  limits: { maxTexts: number; truncate: boolean; maxQueuedRequests: number; maxBodyBytes: number };
}

/** One request, as an endpoint sees it. */
export interface Call {
  body: unknown;
  /** What stands for the * of the endpoint's path; '' where there is none. */
  rest: string;
  /** What of memory the request holds. */
  holding: Holding;
  /** Aborted where the client leaves or the time is over. */
  signal: AbortSignal;
  /** For `onRequest`. */
  note(facts: { model?: string; texts?: number; tokens?: number }): void;
}

export interface Endpoint {
  method: 'GET' | 'POST';
  /** One that ends in /* is for all that begin so. */
  path: string;
  form: ErrorForm;
  summary: string;
  /** Whether it waits for the model, and so is refused where there is no room. */
  works: boolean;
  /** Of the request's body. */
  schema?: z.ZodType;
  /** A body, for people to try. */
  example?: object;
  /** JSON as text or as a stream, or a value that becomes JSON. */
  answer(desk: Desk, call: Call): Promise<string | Readable | object> | object;
}

/** @throws HttpError 404 names the models that there are */
function modelOf({ models }: Desk, name: string | null | undefined): ServedModel {
  const model = models.get(name);
  if (model !== undefined) return model;
  const known = models.all.map((one) => one.name).join(', ');
  throw new HttpError(
    'not-found',
    `There is no model ${JSON.stringify(name?.slice(0, 200))} here. There are: ${known}.`,
    {
      param: 'model',
      code: 'model_not_found',
    },
  );
}

function sideOf(direction: string | null | undefined): 'left' | 'right' | undefined {
  return direction?.toLowerCase() as 'left' | 'right' | undefined;
}

function vectorsOf(desk: Desk, model: ServedModel, call: Call, request: Omit<EmbedRequest, 'signal' | 'holding'>) {
  call.note({ model: model.name, texts: (request.inputs.texts ?? request.inputs.ids).length });
  return embedInputs(desk, model, { ...request, signal: call.signal, holding: call.holding }).then((embedded) => {
    call.note({ tokens: embedded.tokens });
    return embedded;
  });
}

const DTYPES: Record<string, string> = { fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' };

/** Text-embeddings-inference's words for what has another name in model folders. */
const POOLINGS: Partial<Record<string, string>> = { lasttoken: 'last_token' };

/** A model in text-embeddings-inference's words. */
function infoOf({ name, prompt, dimensions, maxInputLength, notes, loaded: { opened, embedder } }: ServedModel) {
  const pooling = opened.spec.head.find((part) => part.kind === 'pooling');
  return {
    model_id: opened.id,
    model_sha: opened.revision ?? null,
    model_dtype: DTYPES[embedder.precision] ?? embedder.precision,
    served_model_name: name,
    model_type: { embedding: { pooling: pooling?.modes.map((mode) => POOLINGS[mode] ?? mode).join('+') ?? 'mean' } },
    max_input_length: maxInputLength,
    dimension: dimensions,
    device: embedder.device,
    prompts: Object.keys(opened.layout.prompts),
    default_prompt: prompt,
    notes,
  };
}

function listed({ name, created }: ServedModel) {
  return { id: name, object: 'model', created, owned_by: 'vectune' };
}

export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/embeddings',
    form: 'openai',
    summary: "Vectors of texts, in OpenAI's form. They are of length 1.",
    works: true,
    schema: embeddingsBody,
    example: { input: ['How old are you?', 'What is your age?'] },
    async answer(desk, call) {
      const body = checkBody(embeddingsBody, call.body);
      const model = modelOf(desk, body.model);
      const { vectors, tokens } = await vectorsOf(desk, model, call, {
        inputs: inputsOf(body.input, 'input', desk.limits.maxTexts),
        param: 'input',
        truncate: desk.limits.truncate,
        side: undefined,
        prompt: { name: body.prompt_name, kind: body.input_type === 'passage' ? 'document' : body.input_type },
        dimensions: body.dimensions ?? undefined,
        normalize: true,
      });
      const written = body.encoding_format === 'base64' ? asBase64 : asList;
      const end = JSON.stringify({ model: model.name, usage: { prompt_tokens: tokens, total_tokens: tokens } });
      return listOf(
        vectors,
        (vector, index) => `{"object":"embedding","index":${index},"embedding":${written(vector)}}`,
        '{"object":"list","data":[',
        `],${end.slice(1)}`,
      );
    },
  },
  {
    method: 'GET',
    path: '/v1/models',
    form: 'openai',
    summary: "The models, in OpenAI's form.",
    works: false,
    answer: ({ models }) => ({ object: 'list', data: models.all.map(listed) }),
  },
  {
    method: 'GET',
    path: '/v1/models/*',
    form: 'openai',
    summary: "A model by its name, in OpenAI's form.",
    works: false,
    answer: (desk, { rest }) => listed(modelOf(desk, rest)),
  },
  {
    method: 'POST',
    path: '/embed',
    form: 'tei',
    summary: "Vectors of texts, in text-embeddings-inference's form.",
    works: true,
    schema: embedBody,
    example: { inputs: ['How old are you?', 'What is your age?'] },
    async answer(desk, call) {
      const body = checkBody(embedBody, call.body);
      const { vectors } = await vectorsOf(desk, modelOf(desk, body.model), call, {
        inputs: inputsOf(body.inputs, 'inputs', desk.limits.maxTexts),
        param: 'inputs',
        truncate: body.truncate ?? desk.limits.truncate,
        side: sideOf(body.truncation_direction),
        prompt: { name: body.prompt_name },
        dimensions: body.dimensions ?? undefined,
        normalize: body.normalize ?? true,
      });
      return listOf(vectors, asList, '[', ']');
    },
  },
  {
    method: 'POST',
    path: '/similarity',
    form: 'tei',
    summary: 'Cosines of the angles between the vectors of one text and of others.',
    works: true,
    schema: similarityBody,
    example: { inputs: { source_sentence: 'How old are you?', sentences: ['What is your age?', 'It rains.'] } },
    async answer(desk, call) {
      const { inputs, parameters, model } = checkBody(similarityBody, call.body);
      const { maxTexts, truncate } = desk.limits;
      if (!Array.isArray(inputs.sentences)) {
        throw new HttpError('invalid', 'inputs.sentences must be a list of texts.', { param: 'inputs.sentences' });
      }
      const source = textsOf(inputs.source_sentence, 'inputs.source_sentence', 1);
      const { texts } = textsOf(inputs.sentences, 'inputs.sentences', maxTexts);
      const { vectors } = await vectorsOf(desk, modelOf(desk, model), call, {
        inputs: { single: false, texts: [...source.texts, ...texts] },
        param: 'inputs',
        truncate: parameters?.truncate ?? truncate,
        side: sideOf(parameters?.truncation_direction),
        prompt: { name: parameters?.prompt_name },
        dimensions: undefined,
        normalize: false,
      });
      const [first, ...others] = vectors;
      return others.map((vector) => cosine(first!, vector));
    },
  },
  {
    method: 'POST',
    path: '/tokenize',
    form: 'tei',
    summary:
      'The tokens of texts with what is put before them, none cut off; start and stop count characters (code points).',
    works: true,
    schema: tokenizeBody,
    example: { inputs: ['How old are you?'] },
    async answer(desk, call) {
      const body = checkBody(tokenizeBody, call.body);
      const model = modelOf(desk, body.model);
      const { texts, single } = textsOf(body.inputs, 'inputs', desk.limits.maxTexts);
      checkLengths(texts, single);
      const prompt = promptOf(model, { name: body.prompt_name });
      const prompted = texts.map((text) => prompt + text);
      call.note({ model: model.name, texts: texts.length });
      const place = desk.admission.enter();
      const { tokeniser } = model.loaded.opened;
      const work = () => tokenLists(tokeniser, prompted, body.add_special_tokens ?? true, { ...call, place });
      const release = model.lease();
      return answerOf(await held(work, { ...call, place, release, computed: () => false }));
    },
  },
  {
    method: 'GET',
    path: '/info',
    form: 'tei',
    summary: 'What the models are and what the server takes.',
    works: false,
    answer({ models, limits, maxBatchTokens, held: { most } }) {
      const all = models.all.map(infoOf);
      return {
        ...all[0],
        max_concurrent_requests: limits.maxQueuedRequests,
        max_batch_tokens: maxBatchTokens,
        max_batch_requests: null,
        max_client_batch_size: limits.maxTexts,
        max_body_bytes: limits.maxBodyBytes,
        max_queued_bytes: most,
        auto_truncate: limits.truncate,
        tokenization_workers: availableParallelism(),
        version: ADDON_VERSION,
        models: all,
      };
    },
  },
];
