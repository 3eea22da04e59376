import { embedBatches, embedMatrix, type BatchEvent, type BatchModel, type EmbeddedBatch } from '../../lib';
import { fixture, useModels } from '../public/models';

const models = useModels();
const vector = (text: string) => [text.length, Number(text.slice(1)) || 0];
const model: BatchModel = { embed: (texts) => Promise.resolve(texts.map(vector)) };
const list = (count: number) => Array.from({ length: count }, (_, i) => `t${i}`);
async function all(source: Iterable<string> | AsyncIterable<string>, batchSize: number) {
  const batches: EmbeddedBatch[] = [];
  for await (const batch of embedBatches(model, source, { batchSize })) batches.push(batch);
  return batches;
}

test('lists and iterables come in batches, in order', async () => {
  async function* slowly() {
    for (const text of list(5)) {
      await new Promise(setImmediate);
      yield text;
    }
  }
  for (const source of [list(5), new Set(list(5)), slowly()]) {
    const batches = await all(source, 2);
    expect(batches.map(({ first, texts }) => [first, ...texts])).toEqual([
      [0, 't0', 't1'],
      [2, 't2', 't3'],
      [4, 't4'],
    ]);
    expect(batches[1]!.vectors).toEqual({ data: Float32Array.of(2, 2, 2, 3), shape: [2, 2] });
  }
  expect(await all([], 2)).toEqual([]);
});

test('the source is read only as fast as batches are taken', async () => {
  let read = 0;
  function* endless() {
    for (;;) yield `t${read++}`;
  }
  const batches = embedBatches(model, endless(), { batchSize: 10 });
  for (let taken = 1; taken <= 5; ++taken) {
    await batches.next();
    await new Promise(setImmediate);
    expect(read).toBeLessThanOrEqual(10 * (taken + 1) + 1);
  }
  await batches.return();
  const before = read;
  await new Promise(setImmediate);
  expect(read).toBe(before);
});

test('one array of a real model, with progress and the time left', async () => {
  const tv = models.open(fixture('bert-mean'));
  const texts = list(30);
  const told: BatchEvent[] = [];
  const { data, shape } = await embedMatrix(tv, texts, {
    batchSize: 8,
    embed: { dimensions: 5 },
    onProgress: (event) => void told.push(event),
  });
  expect(shape).toEqual([30, 5]);
  expect(Array.from(data)).toEqual((await tv.embed(texts, { dimensions: 5 })).flatMap((v) => [...v]));
  expect(told.map(({ done, total }) => [done, total])).toEqual([8, 16, 24, 30].map((done) => [done, 30]));
  expect(told[0]!.secondsLeft).toBeGreaterThan(0);
  expect(told.at(-1)!.secondsLeft).toBe(0);
  const iterable = await embedMatrix(model, new Set(texts), { batchSize: 7 });
  expect(iterable).toEqual({ data: Float32Array.from(texts.flatMap(vector)), shape: [30, 2] });
});

test('what is no text, a failing source, a failing model and a signal end it', async () => {
  await expect(all(['a', 3 as unknown as string], 1)).rejects.toMatchObject({ code: 'ERR_TEXT_TYPE', row: 1 });
  await expect(all('text', 1)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  function* failing() {
    yield 'a';
    throw new Error('no more');
  }
  await expect(all(failing(), 1)).rejects.toThrow('no more');
  const run = (embed: BatchModel['embed']) => embedMatrix({ embed }, list(3), { batchSize: 1 });
  await expect(run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  await expect(run(() => Promise.resolve([]))).rejects.toMatchObject({ code: 'ERR_LENGTH_MISMATCH' });
  await expect(run(([text]) => Promise.resolve([text === 't1' ? [1] : [1, 2]]))).rejects.toMatchObject({ row: 1 });
  const stop = new AbortController();
  const stopped = embedMatrix(model, list(9), { batchSize: 1, signal: stop.signal, onProgress: () => stop.abort() });
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await expect(embedMatrix(model, [], { batch: 3 } as object)).rejects.toMatchObject({ code: 'ERR_UNKNOWN_OPTION' });
});

test('texts of a role are embedded as such, or refused', async () => {
  const told: string[] = [];
  const roles: BatchModel = Object.fromEntries(
    (['embed', 'embedQueries', 'embedDocuments'] as const).map((name) => [
      name,
      (texts: readonly string[]) => {
        told.push(name);
        return Promise.resolve(texts.map(vector));
      },
    ]),
  ) as unknown as BatchModel;
  for (const role of [undefined, 'query', 'document'] as const)
    await embedMatrix(roles, list(3), { batchSize: 2, ...(role && { role }) });
  expect(told).toEqual(['embed', 'embed', 'embedQueries', 'embedQueries', 'embedDocuments', 'embedDocuments']);
  const refused = { code: 'ERR_INVALID_OPTION' };
  await expect(embedMatrix(model, list(3), { role: 'query' })).rejects.toMatchObject(refused);
  await expect(embedMatrix(roles, list(3), { role: 'query', embed: { prompt: 'a: ' } })).rejects.toMatchObject(refused);
  await expect(embedMatrix(roles, list(3), { role: 'text' as 'query' })).rejects.toMatchObject(refused);
});

test('one array of an iterable whose length was said wrongly, or of more than an array may have', async () => {
  const texts = list(30);
  const expected = { data: Float32Array.from(texts.flatMap(vector)), shape: [30, 2] };
  for (const total of [3, 16, 30, 100]) {
    expect(await embedMatrix(model, new Set(texts), { batchSize: 7, total })).toEqual(expected);
    expect(await embedMatrix(model, texts, { batchSize: 7, total })).toEqual(expected);
  }
  await expect(embedMatrix(model, texts, { total: 2 ** 52 })).rejects.toMatchObject({
    name: 'OutOfMemoryError',
    code: 'ERR_OUT_OF_MEMORY',
    message: expect.stringMatching(/embedBatches/),
  });
});
