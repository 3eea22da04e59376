// The same in CommonJS.
import { readFileSync } from 'node:fs';
import vectune = require('vectune');
import serve = require('vectune/serve');

async function main([model, folder]: string[]): Promise<void> {
  const kinds = new Set<vectune.FinetuneEvent['type']>();
  const tv = new vectune.TextVectorisation(model!);
  const texts = Array.from({ length: 12 }, (_, i) => [`the mill ${i}`, `rain ${i}`] as [string, string]);
  const scores = texts.map((_, i) => (i % 2) / 2);
  const report: vectune.FinetuneReport = await tv.finetune(texts, scores, {
    epochs: 1,
    batchSize: 4,
    onProgress: (event) => void kinds.add(event.type),
  });
  const [first, ...others] = await tv.embed(['the old mill', 'rain', 'the old mill']);
  const similarities: number[] = vectune.cosineSimilarity(first!, others);
  await tv.save(folder!);
  const code = await tv.embed(1 as unknown as string).then(
    () => undefined,
    (error: unknown) => (error instanceof vectune.VectuneError ? error.code : undefined),
  );
  const options: serve.ServeOptions = { port: 0 };
  const server: serve.VectuneServer = serve.createServer({ live: tv }, options);
  const up = (await fetch(`${await server.listen()}/health`)).ok;
  await server.close();
  await tv.dispose();
  const maps = process.platform === 'linux' ? readFileSync('/proc/self/maps', 'utf8') : '';
  const addons = [...new Set(maps.match(/\/\S+\/vectune[^/\s]*\.node/g))];
  console.log(JSON.stringify({ loss: report.after?.loss, kinds: [...kinds], same: similarities[1], up, code, addons }));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
