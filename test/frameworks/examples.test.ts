import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cosineSimilarity } from '../../lib';
import { fixture, useModels } from '../public/models';

/** What stands in examples/frameworks runs as it is, by the package's own exports and with the frameworks' packages. */

const models = useModels();
const FOLDER = join(__dirname, '../../examples/frameworks');
const DOCUMENTS = ['Where is my parcel?', 'How do I reset my password?', 'The weather is lovely today.'];

test.each(['ai-sdk', 'langchain', 'llamaindex', 'openai'].flatMap((name) => [`${name}.mjs`, `${name}.cjs`]))(
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
