// A stranger's program as an ES module: trains a little, embeds, saves, and prints what came of it.
import { readFileSync } from 'node:fs';
import { cosineSimilarity, TextVectorisation, VectuneError, type FinetuneEvent, type FinetuneReport } from 'vectune';
import { createServer, type ServeOptions, type VectuneServer } from 'vectune/serve';

const [model, folder] = process.argv.slice(2) as [string, string];
const kinds = new Set<FinetuneEvent['type']>();
const tv = new TextVectorisation(model);
const rows = Array.from({ length: 12 }, (_, i) => ({ text1: `the mill ${i}`, text2: `rain ${i}`, score: (i % 2) / 2 }));
const report: FinetuneReport = await tv.finetune(rows, {
  epochs: 1,
  batchSize: 4,
  onProgress: (event) => void kinds.add(event.type),
});
const [first, ...others] = await tv.embed(['the old mill', 'rain', 'the old mill']);
const similarities: number[] = cosineSimilarity(first!, others);
await tv.save(folder);
let code: string | undefined;
try {
  await tv.embed(1 as unknown as string);
} catch (error) {
  if (error instanceof VectuneError) code = error.code;
}
const options: ServeOptions = { port: 0 };
const server: VectuneServer = createServer({ live: tv }, options);
const up = (await fetch(`${await server.listen()}/health`)).ok;
await server.close();
await tv.dispose();
const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
const addons = [...new Set(maps.match(/\/\S+\/vectune[^/\s]*\.node/g))];
console.log(JSON.stringify({ loss: report.after?.loss, kinds: [...kinds], same: similarities[1], up, code, addons }));
