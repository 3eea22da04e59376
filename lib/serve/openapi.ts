import { z } from 'zod';
import { ADDON_VERSION } from '../engine/load';
import { ENDPOINTS } from './endpoints';

const object = { type: 'object' };
const numbers = { type: 'array', items: { type: 'number' } };
const vectors = { type: 'array', items: numbers };
const token = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    text: { type: 'string' },
    special: { type: 'boolean' },
    start: { type: ['integer', 'null'] },
    stop: { type: ['integer', 'null'] },
  },
};

const model = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    object: { const: 'model' },
    created: { type: 'integer' },
    owned_by: { type: 'string' },
  },
};

/** What each endpoint answers with. */
const ANSWERS: Record<string, object> = {
  '/v1/models': { type: 'object', properties: { object: { const: 'list' }, data: { type: 'array', items: model } } },
  '/v1/models/*': model,
  '/v1/embeddings': {
    type: 'object',
    properties: {
      object: { const: 'list' },
      data: {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            object: { const: 'embedding' },
            index: { type: 'integer' },
            embedding: { oneOf: [numbers, { type: 'string', contentEncoding: 'base64' }] },
          },
        },
      },
      model: { type: 'string' },
      usage: {
        type: 'object',
        properties: { prompt_tokens: { type: 'integer' }, total_tokens: { type: 'integer' } },
      },
    },
  },
  '/embed': vectors,
  '/similarity': numbers,
  '/tokenize': { type: 'array', items: { type: 'array', items: token } },
};

const ERRORS = {
  openai: {
    type: 'object',
    properties: {
      error: {
        type: 'object',
        properties: {
          message: { type: 'string' },
          type: { type: 'string' },
          param: { type: ['string', 'null'] },
          code: { type: ['string', 'null'] },
        },
      },
    },
  },
  tei: { type: 'object', properties: { error: { type: 'string' }, error_type: { type: 'string' } } },
};

const json = (schema: object) => ({ 'application/json': { schema } });

/** What stands for the rest of a path. */
const REST = { name: 'model', in: 'path', required: true, schema: { type: 'string' } };

/** The description of the API: OpenAPI 3.1, made of the table of endpoints and the schemas that bodies are checked by. */
export function openApi(asksForKey: boolean): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, form, schema, example } of ENDPOINTS) {
    const { $schema: _, ...body } =
      schema === undefined ? {} : (z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>);
    paths[path.replace('*', '{model}')] = {
      [method.toLowerCase()]: {
        summary,
        ...(path.endsWith('*') && { parameters: [REST] }),
        ...(schema !== undefined && {
          requestBody: { required: true, content: { 'application/json': { schema: body, example } } },
        }),
        responses: {
          200: { description: 'Done.', content: json(ANSWERS[path] ?? object) },
          default: { description: 'Refused or failed.', content: json(ERRORS[form]) },
        },
      },
    };
  }
  const plain = (summary: string, type: string) => ({
    get: { summary, responses: { 200: { description: 'Done.', content: { [type]: { schema: { type: 'string' } } } } } },
  });
  return {
    openapi: '3.1.0',
    info: {
      title: 'vectune',
      version: ADDON_VERSION,
      description: 'Vectors of texts, by models of sentence-transformers.',
    },
    paths: {
      ...paths,
      '/health': {
        get: {
          summary: 'Whether requests can be answered.',
          security: [],
          responses: { 200: { description: 'Yes.' }, 503: { description: 'No.' } },
        },
      },
      '/metrics': plain("Numbers for Prometheus, by text-embeddings-inference's names.", 'text/plain'),
    },
    components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
    security: asksForKey ? [{ key: [] }] : [],
  };
}
