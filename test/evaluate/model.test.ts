import { compare, cosineSimilarity, evaluateRetrieval, evaluateSimilarity } from '../../lib';
import { spearman as spearmanOf } from '../../lib/evaluate/metrics/correlation';
import { fixture, useModels } from '../public/models';

const models = useModels();
const texts = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers', 'bridge', 'the boats', ''];
const rows = texts.flatMap((text1, i) =>
  texts.slice(i + 1).map((text2, j) => ({ text1, text2, score: (i * 7 + j * 3) % 5 })),
);

test('a TextVectorisation is evaluated as its own vectors say', async () => {
  const model = models.open(fixture('bert-mean'));
  const vectors = new Map(await Promise.all(texts.map(async (text) => [text, await model.embed(text)] as const)));
  const similarities = rows.map(({ text1, text2 }) => cosineSimilarity(vectors.get(text1)!, vectors.get(text2)!));
  const found = await evaluateSimilarity(model, rows);
  expect(found.metrics.spearman).toBeCloseTo(
    spearmanOf(
      similarities,
      rows.map(({ score }) => score),
    )!,
    2,
  );
  expect(found).toMatchObject({ texts: texts.length, dimensions: vectors.get('bridge')!.length });
});

test('a text finds itself, and the first two numbers of a vector are a model too', async () => {
  const model = models.open(fixture('bert-mean'));
  const named = texts.slice(0, 5).map((text) => ({ id: text, text }));
  const relevant = Object.fromEntries(named.map(({ id }) => [id, [id]]));
  const found = await evaluateRetrieval(model, { queries: named, corpus: named, relevant });
  expect(found.metrics['accuracy@1']).toBe(1);
  expect((await evaluateSimilarity(model, rows, { dimensions: 2 })).dimensions).toBe(2);
  await expect(evaluateSimilarity(model, rows, { dimensions: 1e6 })).rejects.toMatchObject({
    code: 'ERR_INVALID_OPTION',
  });
});

test('two models of different widths are compared on one file', async () => {
  const [a, b] = [models.open(fixture('bert-mean')), models.open(fixture('distilbert-dense'))];
  const lines = rows.map(({ text1, text2, score }) => `${JSON.stringify({ text1, text2, score: score / 4 })}\n`);
  const found = await compare(a, b, models.write('rows.jsonl', lines.join('')));
  expect(found).toMatchObject({ form: 'similarity', count: rows.length });
  expect(found.costs.a.dimensions).not.toBe(found.costs.b.dimensions);
  expect(found.costs.a.secondsPerText).toBeGreaterThan(0);
});
