import { createServer as httpServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { CHROMIUM, openBrowser } from './browser';
import { useServers } from './servers';

/** A page of another origin, in a real browser, that asks by OpenAI's own client with all the headers that it sends. */

const servers = useServers();
const inBrowser = CHROMIUM === undefined ? test.skip : test;

let browser: Browser | undefined;
let pages: Server | undefined;
afterAll(async () => {
  await browser?.close();
  pages?.close();
});

inBrowser(
  "OpenAI's client in a page of an origin that may ask, and of one that may not",
  async () => {
    const { outputFiles } = await build({
      stdin: { contents: "import OpenAI from 'openai';\nwindow.OpenAI = OpenAI;", resolveDir: __dirname },
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'iife',
    });
    pages = httpServer((request, response) => {
      const script = request.url === '/client.js';
      response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' });
      response.end(script ? outputFiles[0]!.text : '<!doctype html><script src="client.js"></script>');
    });
    await new Promise<void>((resolve) => pages!.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    browser = await openBrowser();
    const ask = async (cors: string[]) => {
      const { url } = await servers.start(undefined, { apiKeys: ['my-key'], cors });
      const page = await browser!.newPage();
      await page.goto(`${origin}/`);
      return (await page.evaluate(`(async () => {
      const client = new OpenAI({ baseURL: '${url}/v1', apiKey: 'my-key', maxRetries: 0, dangerouslyAllowBrowser: true });
      try {
        return (await client.embeddings.create({ model: 'model', input: ['rain', 'boats'] })).data.length;
      } catch (error) {
        return error.constructor.name;
      }
    })()`)) as number | string;
    };
    expect(await ask([origin])).toBe(2);
    expect(await ask(['*'])).toBe(2);
    expect(await ask(['https://example.org'])).toBe('APIConnectionError');
  },
  120_000,
);
