// Searches, exports and is refused a push for want of a token; tells what came of it.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embedMatrix, paraphraseMining, pushFolder, semanticSearch, TextVectorisation } from 'vectune';

const tv = new TextVectorisation(process.argv[2], { device: 'cpu' });
const corpus = await embedMatrix(tv, ['rain', 'boats', 'rain']);
const [hits] = await semanticSearch([await tv.embed('rain')], corpus, { topK: 2, precision: 'int8' });
const [pair] = await paraphraseMining(corpus);
const folder = join(mkdtempSync(join(tmpdir(), 'vectune-search-')), 'onnx-model');
const { files } = await tv.export('onnx', folder);
const refused = await pushFolder(folder, 'acme/model').catch((error) => error.code);
console.log(
  JSON.stringify({
    best: hits[0].index,
    alike: pair.first + pair.second,
    exported: files.map(({ path }) => path),
    refused,
  }),
);
await tv.dispose();
