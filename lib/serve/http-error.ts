import { hasCode, VectuneError, type ErrorCode } from '../system/errors';

/** Whose form an endpoint's errors have. */
export type ErrorForm = 'openai' | 'tei';

/**
 * What a request may be refused for: the status in each form, OpenAI's `type` and default `code`, and
 * text-embeddings-inference's `error_type`.
 */
const KINDS = {
  invalid: { openai: 400, tei: 422, type: 'invalid_request_error', code: 'invalid_value', teiType: 'Validation' },
  empty: { openai: 400, tei: 400, type: 'invalid_request_error', code: 'empty_input', teiType: 'Empty' },
  json: { openai: 400, tei: 400, type: 'invalid_request_error', code: 'invalid_json', teiType: 'Validation' },
  tokenizer: { openai: 400, tei: 422, type: 'invalid_request_error', code: 'tokenizer', teiType: 'Tokenizer' },
  unauthorized: {
    openai: 401,
    tei: 401,
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    teiType: 'Unauthorized',
  },
  host: { openai: 403, tei: 403, type: 'invalid_request_error', code: 'host_not_allowed', teiType: 'Validation' },
  'not-found': { openai: 404, tei: 404, type: 'invalid_request_error', code: 'not_found', teiType: 'Validation' },
  method: { openai: 405, tei: 405, type: 'invalid_request_error', code: 'method_not_allowed', teiType: 'Validation' },
  slow: { openai: 408, tei: 408, type: 'invalid_request_error', code: 'request_timeout', teiType: 'Validation' },
  large: { openai: 413, tei: 413, type: 'invalid_request_error', code: 'request_too_large', teiType: 'Validation' },
  media: {
    openai: 415,
    tei: 415,
    type: 'invalid_request_error',
    code: 'unsupported_media_type',
    teiType: 'Validation',
  },
  overloaded: { openai: 429, tei: 429, type: 'rate_limit_error', code: 'rate_limit_exceeded', teiType: 'Overloaded' },
  left: { openai: 499, tei: 499, type: 'invalid_request_error', code: 'client_closed_request', teiType: 'Validation' },
  backend: { openai: 500, tei: 424, type: 'server_error', code: 'backend_error', teiType: 'Backend' },
  unavailable: { openai: 503, tei: 503, type: 'server_error', code: 'unavailable', teiType: 'Unhealthy' },
} as const;

export type ErrorKind = keyof typeof KINDS;

interface Details {
  /** Field of the body at fault. */
  param?: string;
  /** OpenAI's code, where the kind's own says too little. */
  code?: string;
  /** Seconds after which it may be tried again. */
  retryAfter?: number;
  /** Methods that would be answered. */
  allow?: string;
  cause?: unknown;
}

/** What a request is answered with in place of a result. It leaves the server only as HTTP. */
export class HttpError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly details: Details = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = 'HttpError';
  }

  status(form: ErrorForm): number {
    return KINDS[this.kind][form];
  }

  /** The `err` of the metric te_request_failure. */
  get label(): string {
    return this.kind === 'left' ? 'cancelled' : KINDS[this.kind].teiType.toLowerCase();
  }

  body(form: ErrorForm): object {
    const { type, code, teiType } = KINDS[this.kind];
    if (form === 'tei') return { error: this.message, error_type: teiType };
    const { param = null, code: own = code } = this.details;
    return { error: { message: this.message, type, param, code: own } };
  }
}

/** Seconds after which a server that has lost memory for a moment may be asked again. */
const SOON = 1;

const OF_CODE: Partial<Record<ErrorCode, ErrorKind>> = {
  ERR_TOKENIZER: 'tokenizer',
  ERR_MAX_INPUT_LENGTH: 'invalid',
  ERR_TEXT_TYPE: 'invalid',
  ERR_INVALID_OPTION: 'invalid',
  ERR_OUT_OF_MEMORY: 'unavailable',
  ERR_DISPOSED: 'unavailable',
  ERR_DEVICE_LOST: 'unavailable',
};

/** What fastify says of a request before any of our code sees it. */
const OF_STATUS: Record<number, ErrorKind> = {
  400: 'json',
  404: 'not-found',
  405: 'method',
  408: 'slow',
  413: 'large',
  415: 'media',
};

/** Any error as one that can be answered. What is no client's fault is told without its insides. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof VectuneError) {
    const kind = OF_CODE[error.code] ?? 'backend';
    if (kind === 'unavailable') {
      const retryAfter = hasCode(error, 'ERR_OUT_OF_MEMORY') ? { retryAfter: SOON } : {};
      return new HttpError(kind, `The model cannot answer now (${error.code}).`, {
        code: error.code,
        cause: error,
        ...retryAfter,
      });
    }
    if (kind === 'backend') {
      return new HttpError(kind, `The model failed (${error.code}).`, { code: error.code, cause: error });
    }
    return new HttpError(kind, error.message, { code: error.code, cause: error });
  }
  const status = (error as { statusCode?: unknown }).statusCode;
  const kind = typeof status === 'number' ? OF_STATUS[status] : undefined;
  if (kind !== undefined) return new HttpError(kind, (error as Error).message, { cause: error });
  return new HttpError('backend', 'The server failed.', { cause: error });
}
