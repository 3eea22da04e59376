import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { semanticSearch } from '../../lib';
import { fixture, useModels } from '../public/models';
import { noPostgres, startPglite, startPostgres } from './postgres';

/** What stands in examples/stores, with real stores: they find what vectune's own search finds. */

const models = useModels();
const FOLDER = join(__dirname, '../../.build/stores');
const installed = existsSync(join(FOLDER, 'node_modules', 'vectune'));
const MODEL = fixture('bert-mean');

if (!installed) console.log('Stores are not tested: npm run stores installs what they need, and tests them.');
else if (noPostgres !== undefined) console.log(`pgvector is tested on Postgres in WebAssembly (PGlite): ${noPostgres}`);

interface Found {
  text: string;
  similarity: number;
}

async function expected(): Promise<Found[]> {
  const program = `import('./passages.mjs').then((all) => console.log(JSON.stringify(all)))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { cwd: FOLDER });
  const { passages, question } = JSON.parse(stdout) as { passages: string[]; question: string };
  const tv = models.open(MODEL);
  const [hits] = await semanticSearch([await tv.embedQueries(question)], await tv.embedDocuments(passages), {
    topK: 3,
  });
  return hits!.map(({ index, score }) => ({ text: passages[index]!, similarity: score }));
}

async function found(file: string, env: NodeJS.ProcessEnv = {}): Promise<Found[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [file, MODEL], {
    cwd: FOLDER,
    env: { ...process.env, ...env },
  });
  return JSON.parse(stdout) as Found[];
}

async function check(rows: Found[]): Promise<void> {
  const best = await expected();
  expect(rows.map(({ text }) => text)).toEqual(best.map(({ text }) => text));
  rows.forEach(({ similarity }, i) => expect(similarity).toBeCloseTo(best[i]!.similarity, 4));
}

(installed ? test : test.skip)(
  'sqlite-vec on better-sqlite3',
  async () => {
    await check(await found('sqlite-vec.mjs'));
  },
  120_000,
);

(installed ? test : test.skip)(
  'pgvector on Postgres',
  async () => {
    const postgres = noPostgres === undefined ? await startPostgres() : await startPglite(FOLDER);
    try {
      await check(await found('pgvector.mjs', { DATABASE_URL: postgres.url }));
    } finally {
      await postgres.stop();
    }
  },
  120_000,
);
