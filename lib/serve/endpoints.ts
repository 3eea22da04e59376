import type { Readable } from 'node:stream';
import type { z } from 'zod';
import { ADDON_VERSION } from '../engine/load';
import { cosine } from '../embed/similarity';
import { asBase64, asList, listOf } from './answers';
import { checkBody, embedBody, embeddingsBody, inputsOf, similarityBody, textsOf, tokenizeBody } from './bodies';
import { embedInputs, held, promptOf, type EmbedRequest, type Workplace } from './embed-inputs';
import { HttpError, type ErrorForm } from './http-error';
import type { ServedModel, ServedModels } from './served-model';

/** What endpoints work with. */
export interface Desk extends Workplace {
  models: ServedModels;
  limits: { maxTexts: number; truncate: boolean; maxQueuedRequests: number; maxBodyBytes: number };
}

/** One request, as an endpoint sees it. */
export interface Call {
  body: unknown;
  /** Aborted where the client leaves or the time is over. */
  signal: AbortSignal;
  /** For `onRequest`. */
  note(facts: { model?: string; texts?: number; tokens?: number }): void;
}

export interface Endpoint {
  method: 'GET' | 'POST';
  path: string;
  form: ErrorForm;
  summary: string;
  /** Whether it waits for the model, and so is refused where there is no room. */
  works: boolean;
  /** Of the request's body. */
  schema?: z.ZodType;
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

function vectorsOf(desk: Desk, model: ServedModel, call: Call, request: Omit<EmbedRequest, 'signal'>) {
  call.note({ model: model.name, texts: (request.inputs.texts ?? request.inputs.ids).length });
  return embedInputs(desk, model, { ...request, signal: call.signal }).then((embedded) => {
    call.note({ tokens: embedded.tokens });
    return embedded;
  });
}

const DTYPES: Record<string, string> = { fp32: 'float32', fp16: 'float16', bf16: 'bfloat16' };

/** A model in text-embeddings-inference's words. */
function infoOf({ name, loaded: { opened, embedder } }: ServedModel) {
  const pooling = opened.spec.head.find((part) => part.kind === 'pooling');
  return {
    model_id: opened.id,
    model_sha: opened.revision ?? null,
    model_dtype: DTYPES[embedder.precision] ?? embedder.precision,
    served_model_name: name,
    model_type: { embedding: { pooling: pooling?.modes.join('+') ?? 'mean' } },
    max_input_length: opened.maxInputLength,
    dimension: opened.dimension,
    device: embedder.device,
    prompts: Object.keys(opened.layout.prompts),
  };
}

export const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'POST',
    path: '/v1/embeddings',
    form: 'openai',
    summary: "Vectors of texts, in OpenAI's form. They are of length 1.",
    works: true,
    schema: embeddingsBody,
    async answer(desk, call) {
      const body = checkBody(embeddingsBody, call.body);
      const model = modelOf(desk, body.model);
      const { vectors, tokens } = await vectorsOf(desk, model, call, {
        inputs: inputsOf(body.input, 'input', desk.limits.maxTexts),
        param: 'input',
        truncate: desk.limits.truncate,
        side: undefined,
        promptName: undefined,
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
    answer: ({ models }) => ({
      object: 'list',
      data: models.all.map(({ name, created }) => ({ id: name, object: 'model', created, owned_by: 'vectune' })),
    }),
  },
  {
    method: 'POST',
    path: '/embed',
    form: 'tei',
    summary: "Vectors of texts, in text-embeddings-inference's form.",
    works: true,
    schema: embedBody,
    async answer(desk, call) {
      const body = checkBody(embedBody, call.body);
      const { vectors } = await vectorsOf(desk, modelOf(desk, body.model), call, {
        inputs: inputsOf(body.inputs, 'inputs', desk.limits.maxTexts),
        param: 'inputs',
        truncate: body.truncate ?? desk.limits.truncate,
        side: sideOf(body.truncation_direction),
        promptName: body.prompt_name ?? undefined,
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
        promptName: parameters?.prompt_name ?? undefined,
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
    summary: 'The tokens of texts, none cut off; start and stop count characters (code points).',
    works: true,
    schema: tokenizeBody,
    async answer(desk, call) {
      const body = checkBody(tokenizeBody, call.body);
      const model = modelOf(desk, body.model);
      const { texts } = textsOf(body.inputs, 'inputs', desk.limits.maxTexts);
      const prompt = body.prompt_name ? promptOf(model, body.prompt_name) : '';
      call.note({ model: model.name, texts: texts.length });
      const prompted = texts.map((text) => prompt + text);
      const work = () => model.loaded.opened.tokeniser.tokens(prompted, body.add_special_tokens ?? true, call.signal);
      return await held(work, desk.admission.enter(), model.lease(), () => false, call.signal);
    },
  },
  {
    method: 'GET',
    path: '/info',
    form: 'tei',
    summary: 'What the models are and what the server takes.',
    works: false,
    answer({ models, limits, maxBatchTokens }) {
      const all = models.all.map(infoOf);
      return {
        ...all[0],
        max_concurrent_requests: limits.maxQueuedRequests,
        max_batch_tokens: maxBatchTokens,
        max_batch_requests: null,
        max_client_batch_size: limits.maxTexts,
        max_body_bytes: limits.maxBodyBytes,
        auto_truncate: limits.truncate,
        version: ADDON_VERSION,
        models: all,
      };
    },
  },
];
