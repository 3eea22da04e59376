import { existsSync, readFileSync } from 'node:fs';
import { cosineSimilarity, type FinetuneEvent, type FinetuneOptions } from '../../lib';
import { spearman } from '../../lib/evaluate/metrics/correlation';
import { EmbeddingsServer } from '../evaluate/embeddings-server';
import { vectune } from '../checkpoint/vectune';
import { bits, fixture, PROBE_TEXTS, useModels } from './models';
import { scoredRows, topicOf } from './rows';

/** A model learns from another: its vectors, its files, its address. */

const models = useModels();
const texts = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers', 'bridge', 'the boats', 'rain'];
const options = { epochs: 2, batchSize: 2, effectiveBatchSize: 2, validationSplit: 0.34, dropout: 0 } as const;
const student = () => models.open(fixture('bert-mean'));
const teacher = () => models.open(fixture('roberta-mean'));

/** The losses of a run and the model after it. */
async function learnt(run: (tv: ReturnType<typeof student>) => Promise<{ epochs: unknown }>) {
  const tv = student();
  const { epochs } = await run(tv);
  return {
    losses: JSON.stringify(epochs, (key, value: unknown) => (/second/i.test(key) ? 0 : value)),
    bits: bits(await tv.embed(PROBE_TEXTS)),
  };
}

test("a teacher's vectors are what rows of texts and vectors are, from a model, an address, a file and what was kept", async () => {
  const vectors = await teacher().embed(texts);
  const byHand = await learnt((tv) => tv.finetune(texts, vectors, options));
  const events: FinetuneEvent[] = [];
  const kept = models.path('kept.jsonl');
  const more: FinetuneOptions = { ...options, teacherFile: kept, onProgress: (event) => void events.push(event) };
  expect(await learnt((tv) => tv.finetune(texts, { ...more, teacher: teacher() }))).toEqual(byHand);
  expect(events.filter(({ type }) => type === 'teacher')).toMatchObject([{ done: 6, texts: 6 }]);
  expect(readFileSync(kept, 'utf8').split('\n')).toHaveLength(7);
  // What is kept is used: this teacher would fail.
  // There were none.
  for (const event of events)
    if (event.type === 'data') expect(event.notes.join(' ')).not.toContain('in the place of labels');
  const failing = { embed: () => Promise.reject(new Error('asked')) };
  expect(await learnt((tv) => tv.finetune(texts, { ...more, teacher: failing }))).toEqual(byHand);
  expect(await learnt((tv) => tv.finetune(texts, { ...options, teacher: kept }))).toEqual(byHand);
  expect(await learnt((tv) => tv.finetune(texts, { ...options, teacher: fixture('roberta-mean') }))).toEqual(byHand);

  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (6, ${vectors[0]!.length}), }`.padEnd(117) + '\n';
  const start = Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(head.length)}\x00${head}`, 'latin1');
  const npy = models.write(
    'vectors.npy',
    Buffer.concat([start, ...vectors.map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))]),
  );
  expect(await learnt((tv) => tv.finetune(texts, { ...options, teacher: npy }))).toEqual(byHand);

  const server = new EmbeddingsServer((text) => Array.from(vectors[texts.indexOf(text)]!));
  const address = await server.start();
  try {
    expect(await learnt((tv) => tv.finetune(texts, { ...options, teacher: address }))).toEqual(byHand);
  } finally {
    await server.stop();
  }
  // A text in each line.
  const lines = models.write('texts.txt', `${texts.join('\n')}\n`);
  expect(await learnt((tv) => tv.finetune(lines, { ...options, teacher: kept }))).toEqual(byHand);
});

test('of a teacher of another length a small set is measured too, by how alike texts are to both', async () => {
  const many = [...new Set(scoredRows(80).flatMap(({ text1, text2 }) => [text1, text2]))];
  // Two directions for a topic: what the student learns of it shows in how near texts of one topic are.
  const vectors = many.map((text, i) => [0, 1, 2].map((topic) => Number(topic === topicOf(text)) + 0.01 * (i % 7)));
  const rows = many.map((text, i) => ({ text, vector: vectors[i]! }));
  const tv = student();
  const report = await tv.finetune(rows, {
    precision: 'fp32',
    loss: { name: 'mse', projection_dim: 3 },
    learningRate: 1e-2,
    epochs: 6,
    seed: 3,
  });
  expect(report).toMatchObject({
    measure: 'teacherAgreement',
    crossCheck: { folds: 5, rows: many.length },
    outcome: 'taken',
  });
  expect(report.gain).toMatchObject({ measure: 'teacherAgreement', verdict: 'better' });
  // By hand, of the model as it is: it has seen most rows, so it does no worse than those that had not.
  const own = await tv.embed(many);
  const alike = (of: readonly ArrayLike<number>[]) =>
    of.map((one, i) => cosineSimilarity(one, of[(i + 1) % of.length]!));
  expect(spearman(alike(own), alike(vectors))).toBeGreaterThan(report.before!.teacherAgreement!);
});

test('whatever rows have in the place of labels is not used; every different text counts once', async () => {
  const rows = [
    { text1: texts[0]!, text2: texts[1]!, score: 0.3 },
    { text1: texts[0]!, text2: texts[2]!, score: 0.9 },
    { text1: texts[3]!, text2: texts[4]!, score: 0.1 },
  ];
  let data: (FinetuneEvent & { type: 'data' }) | undefined;
  await student().finetune(rows, {
    ...options,
    teacher: teacher(),
    onProgress: (event) => {
      if (event.type === 'data') data = event;
    },
  });
  expect(data).toMatchObject({ form: 'vectors', rows: 5 });
  expect(data!.notes.join(' ')).toContain('what stood in the place of labels was not used');
});

test('candidates get the cosines under the teacher as scores', async () => {
  const rows = [
    [texts[0]!, texts[3]!, texts[4]!],
    [texts[1]!, texts[4]!, texts[2]!],
    [texts[5]!, texts[1]!, texts[0]!],
  ];
  const vectors = new Map((await teacher().embed(texts)).map((vector, i) => [texts[i]!, vector]));
  const byHand = rows.map(([query, ...candidates]) => ({
    query: query!,
    candidates,
    scores: candidates.map((text) => Math.fround(cosineSimilarity(vectors.get(query!)!, vectors.get(text)!))),
  }));
  for (const loss of ['distill-kl-div', 'margin-mse'] as const) {
    const expected = await learnt((tv) => tv.finetune(byHand, { ...options, loss }));
    expect(await learnt((tv) => tv.finetune(rows, { ...options, loss, teacher: teacher() }))).toEqual(expected);
  }
});

test('the guide of gist: what it finds closer than the positive is no negative', async () => {
  const triplets = [
    [texts[0]!, texts[3]!, texts[2]!],
    [texts[1]!, texts[4]!, texts[3]!],
    [texts[5]!, texts[1]!, texts[0]!],
    [texts[2]!, texts[5]!, texts[4]!],
  ];
  const plain = { name: 'gist', temperature: 0.05, contrast_anchors: false, contrast_positives: false } as const;
  const run = { ...options, validationSplit: 0, groupedSplit: false };
  // To whom all texts are as far apart nothing is closer.
  const apart = {
    embed: (list: readonly string[]) => Promise.resolve(list.map((text) => texts.map((one) => Number(one === text)))),
  };
  const ranking = await learnt((tv) => tv.finetune(triplets, { ...run, loss: 'multiple-negatives-ranking' }));
  expect(await learnt((tv) => tv.finetune(triplets, { ...run, loss: plain, teacher: apart }))).toEqual(ranking);

  // To whom all texts are the same but for the positive, each row's negative is the anchor itself.
  const alone = [triplets[0]!, triplets[3]!];
  const nearer = {
    embed: (list: readonly string[]) =>
      Promise.resolve(list.map((text) => (alone.some((row) => row[1] === text) ? [1, 1] : [1, 0]))),
  };
  const single = { ...run, effectiveBatchSize: 1, batchSize: 1, epochs: 1 };
  const lossOf = async (guide: typeof nearer) => {
    const report = await student().finetune(alone, { ...single, loss: plain, teacher: guide });
    return report.epochs[0]!.trainingLoss;
  };
  expect(await lossOf(nearer)).toBe(0);
  expect(await lossOf(apart)).toBeGreaterThan(0);

  const files = { ...run, loss: 'gist' as const, teacherFile: models.path('guide.jsonl') };
  const first = await learnt((tv) => tv.finetune(triplets, { ...files, teacher: teacher() }));
  expect(await learnt((tv) => tv.finetune(triplets, { ...files, teacher: apart }))).toEqual(first);
  expect(first).not.toEqual(ranking);
});

test('what a teacher cannot teach is refused before training', async () => {
  const refused = async (source: unknown, more: object, code: string, message: string) => {
    const run = student().finetune(source as string[], { ...options, teacher: teacher(), ...more });
    await expect(run).rejects.toMatchObject({ code });
    await expect(run).rejects.toThrow(message);
  };
  const pairs = [
    [texts[0]!, texts[1]!],
    [texts[2]!, texts[3]!],
  ];
  await refused(
    pairs,
    { loss: 'multiple-negatives-ranking' },
    'ERR_INVALID_OPTION',
    "is for losses of a teacher's vectors",
  );
  await refused(
    pairs,
    { loss: 'distill-kl-div' },
    'ERR_INVALID_OPTION',
    'at least 2 candidates, but row 0 has 2 texts',
  );
  const uneven = [...pairs, [texts[0]!, texts[4]!, texts[5]!]];
  await refused(uneven, { loss: 'gist' }, 'ERR_INVALID_OPTION', 'but row 0 has 2 and row 2 has 3');
  await refused(pairs, { loss: 'gist', teacher: undefined }, 'ERR_INVALID_OPTION', 'needs a guide');
  await refused(texts, { teacher: 3 }, 'ERR_INVALID_OPTION', 'a model with embed');
  await refused([], {}, 'ERR_EMPTY_DATA', '');
  const few = models.write('few.jsonl', `${JSON.stringify({ text: texts[0], vector: [1, 2] })}\n`);
  await refused(
    texts,
    { teacher: few },
    'ERR_LABEL',
    "has no vector for 5 texts of the data, the first of them 'rain fell",
  );
  const other = models.write('other.jsonl', `${JSON.stringify({ text1: 'a', text2: 'b', score: 1 })}\n`);
  await refused(texts, { teacher: other }, 'ERR_DATA_FILE', 'must have rows of a text and a vector');
  const npy = (header: string, numbers = 0) => {
    const head = `${header}\n`;
    const start = Buffer.from(`\x93NUMPY\x01\x00${String.fromCharCode(head.length)}\x00${head}`, 'latin1');
    return models.write('bad.npy', Buffer.concat([start, Buffer.alloc(4 * numbers)]));
  };
  const shaped = (shape: string, type = '<f4') => `{'descr': '${type}', 'fortran_order': False, 'shape': ${shape}, }`;
  await refused(texts, { teacher: npy(shaped('(2, 3)'), 6) }, 'ERR_LENGTH_MISMATCH', 'has 2 for 6');
  await refused(texts, { teacher: npy(shaped('(6, 3)'), 6) }, 'ERR_DATA_FILE', 'do not fill it');
  await refused(
    texts,
    { teacher: npy(shaped('(6, 3)', '|O'), 6) },
    'ERR_DATA_FILE',
    'must be a table of float32 or float64',
  );
  await refused(texts, { teacher: npy(shaped('(18,)'), 18) }, 'ERR_DATA_FILE', 'must be a table of float32 or float64');
  await refused(texts, { teacher: models.write('no.npy', Buffer.from('x')) }, 'ERR_DATA_FILE', 'does not begin');
  await refused(
    texts,
    { teacher: { embed: () => Promise.resolve([[NaN]]) } },
    'ERR_LENGTH_MISMATCH',
    'one vector for each text',
  );
});

test('a run is stopped while the teacher is at work, and keeps nothing', async () => {
  const kept = models.path('never.jsonl');
  const stop = new AbortController();
  const slow = {
    embed: async (list: readonly string[]) => {
      stop.abort();
      await new Promise(setImmediate);
      return list.map(() => [1, 2]);
    },
  };
  const many = Array.from({ length: 3000 }, (_, i) => `text ${i}`);
  const run = student().finetune(many, { ...options, teacher: slow, teacherFile: kept, signal: stop.signal });
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  expect(existsSync(kept)).toBe(false);
});

test('the command takes a teacher by its folder', async () => {
  const lines = models.write('texts.txt', `${texts.join('\n')}\n`);
  const flags = [
    '--model',
    fixture('bert-mean'),
    '--out',
    models.path('out'),
    '--teacher',
    fixture('roberta-mean'),
    '--epochs',
    '1',
  ];
  const { code, stderr } = await vectune(['finetune', lines, ...flags, '--validation-split', '0.34']);
  expect(stderr).toContain('teacher: 6 of 6 texts');
  expect(code).toBe(0);
});

test('how texts alone are read: of a file its encoding, of a list nothing', async () => {
  const asked: string[][] = [];
  const listening = {
    embed: (some: readonly string[]) => {
      asked.push([...some]);
      return teacher().embed(some);
    },
  };
  const run: FinetuneOptions = { ...options, teacher: listening };
  const latin = models.write('latin.txt', Buffer.from('caf\xe9\ncr\xeape\nthe\n', 'latin1'));
  await student().finetune(latin, { ...run, epochs: 1, file: { encoding: 'windows-1252' } });
  expect(asked.flat()).toEqual(['café', 'crêpe', 'the']);
  await expect(student().finetune(texts, { ...run, file: { scoreRange: [0, 5] } })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(/^file\.scoreRange tells how data is read, but a list of texts alone/),
  });
});
