import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cosineSimilarity } from '../../lib';
import { fixture, useModels } from '../public/models';

/** What stands in examples/frameworks runs as it is, by the package's own exports and with the frameworks' packages. */

const models = useModels();
const FOLDER = join(__dirname, '../../examples/frameworks');
const DOCUMENTS = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];

const FILES = ['ai-sdk', 'langchain', 'llamaindex', 'openai'].flatMap((name) => [`${name}.mjs`, `${name}.cjs`]);

/** What the server needs beside vectune, in the words of its own error. */
const OF_SERVER = ['fastify@5', 'prom-client@15', 'zod@4'];

test.each(FILES)('the first line of %s installs all that it needs', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const installed = /npm install (.+)$/m.exec(text)![1]!.split(' ');
  const imported = [...text.matchAll(/(?:from |require\()'([^'.][^']*)'/g)].map(([, name]) => name!);
  const packages = imported.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)![0]);
  const needed = new Set([
    ...packages,
    ...(imported.includes('vectune/serve') ? OF_SERVER : []),
    ...(imported.includes('vectune/langchain') ? ['@langchain/core'] : []),
  ]);
  expect(new Set(installed)).toEqual(needed);
});

test.each(FILES)(
  '%s',
  async (file) => {
    const tv = models.open(fixture('bert-mean'));
    const [question, ...vectors] = await tv.embed(['I forgot my login', ...DOCUMENTS]);
    const similarities = vectors.map((vector) => cosineSimilarity(question!, vector));
    const { stdout } = await promisify(execFile)(process.execPath, [join(FOLDER, file), fixture('bert-mean')]);
    expect(stdout.trim()).toBe(DOCUMENTS[similarities.indexOf(Math.max(...similarities))]);
  },
  120_000,
);
