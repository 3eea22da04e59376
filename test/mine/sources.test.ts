import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { evaluate, mineHardNegatives } from '../../lib';
import { vectune } from '../checkpoint/vectune';
import { EmbeddingsServer } from '../evaluate/embeddings-server';

/** Where pairs and the texts that are searched come from, and how their vectors are kept. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vectune-mine-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const jsonl = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

/** The cosine with a question is what the name of a text says, in hundredths. */
const vectorOf = (text: string): number[] => {
  const angle = Math.acos(text.startsWith('q') ? 1 : Number(/\d\d/.exec(text)) / 100);
  return [Math.cos(angle), Math.sin(angle)];
};
const model = { embed: (texts: readonly string[]) => Promise.resolve(texts.map(vectorOf)) };

/** Documents with titles; two of them belong to a question, which are told by train and by dev. */
function beir(): string {
  writeFileSync(
    join(folder, 'corpus.jsonl'),
    jsonl(
      { _id: '1', title: 'Title', text: 'p95' },
      { _id: '2', title: 'Title', text: 't90' },
      { _id: '3', title: '', text: 't80' },
      { _id: '4', text: 't70' },
      { _id: '5', title: 'Title', text: 't60' },
    ),
  );
  writeFileSync(join(folder, 'queries.jsonl'), jsonl({ _id: 'a', text: 'q' }, { _id: 'b', text: 'q other' }));
  mkdirSync(join(folder, 'qrels'));
  writeFileSync(join(folder, 'qrels', 'train.tsv'), 'query-id\tcorpus-id\tscore\na\t1\t1\na\t2\t0\n');
  writeFileSync(join(folder, 'qrels', 'dev.tsv'), 'b\t2\t1\nb\tgone\t1\n');
  return folder;
}

test('of a BEIR folder the corpus is searched, with its titles; own positives are no negatives', async () => {
  const { rows, report } = await mineHardNegatives(model, beir());
  expect(rows).toEqual(
    ['Title t90', 't80', 't70'].map((negative) => ({ anchor: 'q', positive: 'Title p95', negative })),
  );
  expect(report).toMatchObject({ pairs: 1, anchors: 1, corpus: 5 });
  expect(report.notes).toContain('The judgements are those of train.');
  // Other texts in its place.
  const other = await mineHardNegatives(model, folder, { corpus: ['t50', 'Title p95'] });
  expect(other.rows.map(({ negative }) => negative)).toEqual(['t50']);
});

test('another split, and rows that cannot be used', async () => {
  await expect(mineHardNegatives(model, beir(), { split: 'dev' })).rejects.toMatchObject({ code: 'ERR_DATA_FILE' });
  const { rows, report } = await mineHardNegatives(model, folder, { split: 'dev', onBadRow: 'skip', numNegatives: 2 });
  expect(rows).toEqual(
    ['Title p95', 't80'].map((negative) => ({ anchor: 'q other', positive: 'Title t90', negative })),
  );
  expect(report.notes.join(' ')).toContain('1 row is left out');
  await expect(mineHardNegatives(model, folder, { split: 'test' })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('the command, where its corpus is that of the folder', async () => {
  const server = new EmbeddingsServer(vectorOf);
  const address = await server.start();
  try {
    for (const corpus of [[], ['--corpus', join(beirOnce(), 'corpus.jsonl')]]) {
      const { code, stdout, stderr } = await vectune(
        ['mine', beirOnce(), '--model', address, '--split', 'dev', '--on-bad-row', 'skip', ...corpus],
        undefined,
      );
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const rows = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { negative: string });
      expect(rows.map(({ negative }) => negative)).toEqual(['Title p95', 't80', 't70']);
    }
  } finally {
    await server.stop();
  }
});
let made = '';
function beirOnce(): string {
  if (made !== folder) made = beir();
  return made;
}

test('lists of pairs, with labels too', async () => {
  const options = { corpus: ['t90', 't80'], numNegatives: 1 };
  const expected = [{ anchor: 'q', positive: 'p95', negative: 't90' }];
  expect((await mineHardNegatives(model, [['q', 'p95']], options)).rows).toEqual(expected);
  const labelled = await mineHardNegatives(
    model,
    [
      ['q', 'p95'],
      ['q', 't90'],
    ],
    [1, 0],
    options,
  );
  expect(labelled.rows).toEqual(expected);
  expect(labelled.report.notes).toContain('Of 2 pairs the 1 with label 1 are positives; the others were not used.');
});

test('every format that is written is data to measure', async () => {
  const forms = { triplet: 'triplet', 'n-tuple': 'reranking', 'labeled-pair': 'binary', 'labeled-list': 'reranking' };
  for (const [outputFormat, form] of Object.entries(forms) as [keyof typeof forms, string][]) {
    const options = { corpus: ['t90', 't80', 't70'], numNegatives: 2, outputFormat };
    const { rows } = await mineHardNegatives(model, [['q', 'p95']], options);
    const found = await evaluate(model, rows, { intervals: false });
    expect(found).toMatchObject({ form });
    // The positive is nearer than all negatives.
    expect(found.metrics[found.primary]).toBe(1);
  }
});

/** Unlike directions, but not quite at random: those of one tens' place are near each other. */
const wide = (text: string): Float32Array => {
  const number = Number(/\d+/.exec(text)) + 1;
  const near = Math.floor(number / 10);
  return Float32Array.from({ length: 32 }, (_, i) => Math.sin(near * (i + 1)) + 0.4 * Math.sin(1.7 * number * (i + 2)));
};

test('vectors of int8 find what those of fp32 do, but for those that are equally near', async () => {
  const spread = { embed: (texts: readonly string[]) => Promise.resolve(texts.map(wide)) };
  const pairs = Array.from({ length: 100 }, (_, i): [string, string] => [`q${10 * i}`, `p${10 * i + 1}`]);
  const corpus = Array.from({ length: 1000 }, (_, i) => `t${i}`);
  const options = { corpus, numNegatives: 3, outputScores: true, outputFormat: 'n-tuple' } as const;
  const [exact, bytes] = [
    await mineHardNegatives(spread, pairs, options),
    await mineHardNegatives(spread, pairs, { ...options, vectorPrecision: 'int8' }),
  ];
  expect(bytes.rows.map(({ anchor, positive }) => [anchor, positive])).toEqual(pairs);
  let same = 0;
  let differ = 0;
  for (const [i, row] of exact.rows.entries()) {
    const other = bytes.rows[i]!;
    const of = (one: typeof row) => [1, 2, 3].map((n) => one[`negative_${n}`] as string);
    same += of(row).filter((text) => of(other).includes(text)).length;
    for (const [n, score] of (row['scores'] as number[]).entries()) {
      const rounded = (other['scores'] as number[])[n]!;
      expect(Math.abs(score - rounded)).toBeLessThan(0.02);
      if (score !== rounded) ++differ;
    }
  }
  expect(same).toBeGreaterThan(285);
  expect(differ).toBeGreaterThan(200);
  await expect(mineHardNegatives(spread, pairs, { vectorPrecision: 'binary' as never })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('blocks are searched like one, and what is embedded is not kept beside what is searched', async () => {
  setFlagsFromString('--expose_gc');
  const collect = runInNewContext('gc') as () => void;
  const made: WeakRef<Float32Array>[] = [];
  const held: number[] = [];
  const counted = {
    async embed(texts: readonly string[]) {
      await new Promise(setImmediate);
      collect();
      held.push(made.filter((one) => one.deref() !== undefined).length);
      return texts.map((text) => {
        const vector = wide(text);
        made.push(new WeakRef(vector));
        return vector;
      });
    },
  };
  const corpus = Array.from({ length: 20_000 }, (_, i) => `t${i}`);
  const pairs = Array.from({ length: 9_000 }, (_, i): [string, string] => [`q${i}`, `t${i}`]);
  const { rows } = await mineHardNegatives(counted, pairs, { corpus, numNegatives: 1 });
  // The texts of a block, and those of the one before it that is on its way.
  expect(Math.max(...held)).toBeLessThanOrEqual(2 * 8192);
  expect(made).toHaveLength(29_000);
  expect(rows).toHaveLength(9_000);
  for (const at of [0, 8191, 8192, 8999]) {
    const query = wide(`q${at}`);
    const similarity = (text: string) => {
      const vector = wide(text);
      const sum = (a: Float32Array, b: Float32Array) => a.reduce((all, x, i) => all + x * b[i]!, 0);
      return sum(query, vector) / Math.sqrt(sum(query, query) * sum(vector, vector));
    };
    const best = Math.max(...corpus.filter((text) => text !== `t${at}`).map(similarity));
    expect(rows[at]).toMatchObject({ anchor: `q${at}`, positive: `t${at}` });
    expect(similarity(rows[at]!['negative'] as string)).toBeCloseTo(best, 5);
  }
}, 60_000);
