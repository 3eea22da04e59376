// Serves a model by the package's entry, asks it, and looks at its page.
import { TextVectorisation } from 'vectune';
import { createServer } from 'vectune/serve';

const tv = new TextVectorisation(process.argv[2]);
const server = createServer({ live: tv }, { port: 0 });
const url = await server.listen();
const answer = await fetch(`${url}/v1/embeddings`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ input: ['rain', 'boats'] }),
});
const { data } = await answer.json();
const page = await fetch(`${url}/`);
const text = await page.text();
const loads = [...text.matchAll(/(?:href|src)="(page\/[^"]+)"/g)].map(([, path]) => path);
const statuses = await Promise.all(loads.map(async (path) => (await fetch(`${url}/${path}`)).status));
await server.close();
await tv.dispose();
console.log(JSON.stringify({ dimensions: data.map(({ embedding }) => embedding.length), page: page.status, statuses }));
