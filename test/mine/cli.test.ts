import { existsSync, readFileSync } from 'node:fs';
import { vectune } from '../checkpoint/vectune';
import { EmbeddingsServer } from '../evaluate/embeddings-server';
import { useModels } from '../public/models';

const files = useModels();
/** As the name of a text says: the cosine with a question in hundredths. */
const server = new EmbeddingsServer((text) => {
  const angle = Math.acos(text.startsWith('q') ? 1 : Number(text.replace(/\D/g, '')) / 100);
  return [Math.cos(angle), Math.sin(angle)];
});
let address = '';
beforeAll(async () => {
  address = await server.start();
});
afterAll(() => server.stop());

const data = () => files.write('pairs.csv', 'question,answer\nq,"p75, said she"\n');
const corpus = () => files.write('corpus.txt', 't90\nt80\nt70\nt60\nt50\n');

test('mine writes rows as CSV, and tells what it found and what it dropped', async () => {
  const out = files.path('mined.csv');
  const flags = ['--corpus', corpus(), '--absolute-margin', '0.1', '--num-negatives', '2', '--out', out];
  const { code, stdout, stderr } = await vectune(['mine', data(), '--model', address, ...flags]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  expect(readFileSync(out, 'utf8')).toBe('anchor,positive,negative\nq,"p75, said she",t60\nq,"p75, said she",t50\n');
  expect(stderr).toContain('1 pairs, 1 anchors, 6 texts searched');
  expect(stderr).toMatch(/^mean {4} +0\.7500 +0\.5500 +0\.2000$/m);
  expect(stderr).toMatch(/^3 candidates \(\d+\.\d\d %\) were dropped by --absolute-margin 0\.1\.$/m);
  expect(stderr).toContain(`2 rows: ${out}`);
  // What was written is data to train on.
  const read = await vectune([
    'mine',
    out,
    '--model',
    address,
    '--num-negatives',
    '1',
    '--output-format',
    'labeled-pair',
  ]);
  expect(read.code).toBe(0);
  expect(read.stderr).toContain('Negatives that rows have already were not used.');
});

test('mine writes TSV, and JSON Lines to the standard output; a jsonl corpus', async () => {
  const lines = files.write('corpus.jsonl', '"t90"\n{"text": "t80"}\n');
  const flags = ['--corpus', lines, '--num-negatives', '2', '--output-format', 'n-tuple', '--output-scores'];
  const { code, stdout } = await vectune(['mine', data(), '--model', address, ...flags]);
  expect(code).toBe(0);
  const row = JSON.parse(stdout) as { scores: number[] };
  expect(row).toMatchObject({ anchor: 'q', positive: 'p75, said she', negative_1: 't90', negative_2: 't80' });
  expect(row.scores).toHaveLength(3);
  const out = files.path('mined.tsv');
  expect((await vectune(['mine', data(), '--model', address, ...flags, '--out', out])).code).toBe(0);
  expect(readFileSync(out, 'utf8')).toMatch(
    /^anchor\tpositive\tnegative_1\tnegative_2\tscores\nq\tp75, said she\tt90\tt80\t/,
  );
});

test('what is wrong is said with the flags, and no file is left', async () => {
  const out = files.path('none.csv');
  const wrong = async (flags: string[], code: number, message: string) => {
    const found = await vectune(['mine', data(), '--model', address, '--out', out, ...flags]);
    expect(found).toMatchObject({ code, stdout: '' });
    expect(found.stderr).toContain(message);
    expect(existsSync(out)).toBe(false);
  };
  await wrong(['--range-min', '9', '--range-max', '10'], 2, '--range-max must leave 3 negatives after --range-min');
  await wrong(['--include-positives', '--output-format', 'triplet'], 2, '--output-format must be n-tuple');
  await wrong(['--max-scor', '1'], 2, '--max-score');
  await wrong(['--corpus', files.path('missing.txt')], 1, 'missing.txt');
  const other = await vectune(['mine', data(), '--model', address, '--out', files.path('x.xlsx')]);
  expect(other.code).toBe(2);
  expect(other.stderr).toContain('--out must end in .csv, .tsv or .jsonl');
});
