import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine that does what a test tells it to. */
export class HostileServer {
  /** How requests are answered, in their order; the last one goes on. */
  answers: Answer[] = [];
  readonly requests: IncomingMessage[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(request);
      const answer = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
      answer(request, response);
    });
  }

  static async start(): Promise<HostileServer> {
    const server = new HostileServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  address(path: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${path}`;
  }
}

export const whole =
  (content: Buffer, etag = '"one"'): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': content.length, etag }).end(content);
  };

/** Sends what a Range asks for, else everything. */
export const ranged =
  (content: Buffer): Answer =>
  ({ headers }, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const range = { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from, ...(from > 0 && range) });
    response.end(content.subarray(from));
  };

/** Promises everything, sends `bytes` of it, and then nothing more, nor does it end. */
export const stalled =
  (content: Buffer, bytes: number, sent: () => void = () => undefined): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': content.length, etag: '"one"' });
    if (bytes === 0) response.flushHeaders();
    response.write(content.subarray(0, bytes), sent);
  };

/** Takes the connection and never answers. */
export const silent: Answer = () => undefined;

/** Promises everything, sends `bytes` of it and breaks the connection. */
export const truncated =
  (content: Buffer, bytes: number): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': content.length, etag: '"one"' });
    response.write(content.subarray(0, bytes), () => response.destroy());
  };

export const status =
  (code: number): Answer =>
  (_, response) => {
    response.writeHead(code).end('no');
  };

export const redirect =
  (to: string): Answer =>
  (_, response) => {
    response.writeHead(302, { location: to }).end();
  };
