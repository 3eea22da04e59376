import {
  evaluateBinary,
  evaluateClasses,
  evaluateParaphraseMining,
  evaluateRetrieval,
  evaluateSimilarity,
} from '../../lib';
import type { EmbeddingModel, EvaluateEvent } from '../../lib';

/** Vectors that are all different; the model itself takes no time. */
class Numbered implements EmbeddingModel {
  calls = 0;
  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    ++this.calls;
    await new Promise(setImmediate);
    return texts.map((text) => Float32Array.from({ length: 64 }, (_, i) => Math.sin(Number(text) * (i + 1))));
  }
}
const many = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `${i}`, text: `${i}` }));

/** Evaluations whose measuring takes far longer than a turn of the event loop. */
const evaluations: Record<string, (model: EmbeddingModel, options: object) => Promise<unknown>> = {
  similarity: (model, options) =>
    evaluateSimilarity(
      model,
      many(20000).map(({ text }, i) => ({ text1: text, text2: `${i + 1}`, score: i % 7 })),
      options,
    ),
  binary: (model, options) =>
    evaluateBinary(
      model,
      many(20000).map(({ text }, i) => ({ text1: text, text2: `${i + 1}`, label: i % 2 })),
      options,
    ),
  retrieval: (model, options) => {
    const corpus = many(20000);
    const queries = corpus.slice(0, 2000);
    const relevant = new Map(queries.map(({ id }) => [id, [id]]));
    return evaluateRetrieval(model, { queries, corpus, relevant }, options);
  },
  'paraphrase mining': (model, options) =>
    evaluateParaphraseMining(model, { texts: many(8000), duplicates: [['1', '2']] }, options),
  classes: (model, options) =>
    evaluateClasses(
      model,
      many(8000).map(({ text }, i) => ({ text, label: i % 20 })),
      options,
    ),
};

describe.each(Object.entries(evaluations))('%s', (_, evaluate) => {
  test('aborted before: nothing is embedded', async () => {
    const model = new Numbered();
    const run = evaluate(model, { signal: AbortSignal.abort(new Error('the user left')) });
    await expect(run).rejects.toMatchObject({
      name: 'AbortError',
      code: 'ERR_ABORTED',
      cause: { message: 'the user left' },
    });
    expect(model.calls).toBe(0);
  });

  test('aborted while texts are embedded: no more are', async () => {
    const model = new Numbered();
    const stop = new AbortController();
    const events: EvaluateEvent[] = [];
    const onProgress = (event: EvaluateEvent) => {
      events.push(event);
      stop.abort();
    };
    await expect(evaluate(model, { signal: stop.signal, onProgress })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(model.calls).toBe(1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ type: 'embedding', done: expect.any(Number) as number });
  });

  test('a timer that fires while vectors are compared stops it: the event loop has its turns', async () => {
    const stop = new AbortController();
    let last = -1;
    const model = new Numbered();
    const embed = model.embed.bind(model);
    model.embed = (texts) => {
      // Set anew by each call, so that it fires after the last.
      clearTimeout(last);
      last = Number(setTimeout(() => stop.abort(), 5));
      return embed(texts);
    };
    await expect(evaluate(model, { signal: stop.signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

test('a vector with a number that is none is refused', async () => {
  const rows = [
    { text1: '1', text2: '2', score: 1 },
    { text1: '2', text2: '3', score: 2 },
  ];
  const model = {
    embed: (texts: readonly string[]) => Promise.resolve(texts.map((text) => [1, text === '3' ? NaN : 2])),
  };
  await expect(evaluateSimilarity(model, rows)).rejects.toThrow("a vector with NaN in it for '3'");
  const uneven = {
    embed: (texts: readonly string[]) => Promise.resolve(texts.map((text) => new Float32Array(Number(text)))),
  };
  await expect(evaluateSimilarity(uneven, rows)).rejects.toMatchObject({ code: 'ERR_LENGTH_MISMATCH' });
  const fewer = { embed: () => Promise.resolve([[1, 2]]) };
  await expect(evaluateSimilarity(fewer, rows)).rejects.toMatchObject({ code: 'ERR_LENGTH_MISMATCH' });
});
