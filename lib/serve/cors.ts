import type { FastifyReply, FastifyRequest } from 'fastify';

/** Names of headers with commas between, as a browser asks for them. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/;

/** What is answered to a browser that does not say which headers its page wants to send. */
const OWN_HEADERS = 'authorization, content-type';

/**
 * Tells a browser what pages of other origins may do. Which headers they send is no risk beside the origin itself; clients
 * send many of their own (OpenAI's x-stainless-*).
 *
 * @returns true where the request was the question for that, and is answered
 */
export function allowOrigin(origins: readonly string[], request: FastifyRequest, reply: FastifyReply): boolean {
  const { origin, 'access-control-request-headers': headers } = request.headers;
  if (origin === undefined || origins.length === 0) return false;
  void reply.header('vary', 'Origin');
  if (!origins.includes('*') && !origins.includes(origin)) return false;
  void reply.header('access-control-allow-origin', origins.includes('*') ? '*' : origin);
  void reply.header('access-control-expose-headers', 'Retry-After');
  if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
  void reply
    .header('access-control-allow-methods', 'GET, HEAD, POST')
    .header('access-control-allow-headers', HEADER_NAMES.test(headers ?? '') ? headers : OWN_HEADERS)
    .header('access-control-max-age', '600')
    .code(204)
    .send();
  return true;
}
