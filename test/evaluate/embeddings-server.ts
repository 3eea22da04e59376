import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  path: string;
  authorization: string | undefined;
  body: { input?: string[]; model?: string; encoding_format?: string };
}

/** What a request is answered with; without a status, as a good server would. */
export interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
}

/** A server of OpenAI's form on 127.0.0.1; what it embeds is for the test to say. */
export class EmbeddingsServer {
  readonly received: Received[] = [];
  /** Answers in place of vectors, the next first. */
  readonly answers: Answer[] = [];
  models: string[] | undefined = ['only'];
  base64 = true;
  /** The order in which vectors are sent back. */
  order: <T>(list: T[]) => T[] = (list) => list;
  readonly #embed: (text: string) => number[];
  #server: Server | undefined;

  constructor(embed: (text: string) => number[]) {
    this.#embed = embed;
  }

  async start(): Promise<string> {
    const server = createServer((request, response) => {
      void this.#answer(request).then(({ status = 200, headers = {}, body = '' }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
      });
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/embeddings`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = (text === '' ? {} : JSON.parse(text)) as Received['body'];
    this.received.push({ path: request.url!, authorization: request.headers.authorization, body });
    if (request.url === '/v1/models') {
      if (this.models === undefined) return { status: 404, body: 'not found' };
      return { body: JSON.stringify({ object: 'list', data: this.models.map((id) => ({ id, object: 'model' })) }) };
    }
    const answer = this.answers.shift();
    if (answer !== undefined) return answer;
    const data = (body.input ?? []).map((one, index) => {
      const vector = Float32Array.from(this.#embed(one));
      const embedding = this.base64 ? Buffer.from(vector.buffer).toString('base64') : [...vector];
      return { object: 'embedding', index, embedding };
    });
    return { body: JSON.stringify({ object: 'list', data: this.order(data), model: body.model }) };
  }
}
