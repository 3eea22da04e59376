import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { cosineSimilarity, type TextVectorisation } from '../../lib';
import { PACKAGE_ROOT } from '../../lib/engine/addons';
import { fixture, PROBE_TEXTS, useModels } from './models';
import { scoredRows } from './rows';
import { finish } from './runs';

/**
 * What the public surface returns is of the context that the package's modules were loaded in, as jest loads them into a
 * context of its own for each test file, whatever context the addon makes its arrays in.
 */

const models = useModels();

test('in jest vectors are instances of its Float32Array, before and after training', async () => {
  const model = models.open(fixture('bert-mean'));
  const check = async () => {
    const [one, many] = [await model.embed('a text'), await model.embed(PROBE_TEXTS)];
    for (const vector of [one, ...many]) {
      expect(vector instanceof Float32Array).toBe(true);
      expect(Object.getPrototypeOf(vector)).toBe(Float32Array.prototype);
      expect(vector.byteLength).toBe(vector.buffer.byteLength);
    }
    expect(many).toBeInstanceOf(Array);
    expect(cosineSimilarity(one, many)).toBeInstanceOf(Array);
    expect(one).toEqual(Float32Array.from(one));
  };
  await check();
  const { report } = await finish(model, scoredRows(), { epochs: 1, batchSize: 4 });
  expect(report instanceof Object && report.rows instanceof Object).toBe(true);
  expect((await model.info()).notes).toBeInstanceOf(Array);
  await check();
});

test('in a context of its own, vectors and errors are of that context', async () => {
  const context = createContext({
    Buffer,
    process,
    setImmediate,
    setTimeout,
    clearTimeout,
    AbortController,
    AbortSignal,
    URL,
  });
  const modules = new Map<string, { exports: object }>();
  /** CommonJS: the package's own modules are run in the context, all others are the process's. */
  const load = (file: string): object => {
    const known = modules.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(file, module);
    const local = createRequire(file);
    const require = (name: string): unknown =>
      name.startsWith('.') ? load(local.resolve(name)) : (createRequire(__filename)(name) as unknown);
    Object.assign(require, { resolve: local.resolve });
    const wrapped = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`;
    const run = runInContext(wrapped, context, { filename: file }) as (...args: unknown[]) => void;
    run(module.exports, require, module, file, dirname(file));
    return module.exports;
  };
  const { TextVectorisation: Other } = load(`${PACKAGE_ROOT}/dist/index.js`) as {
    TextVectorisation: typeof TextVectorisation;
  };
  const model = new Other(fixture('bert-mean'));
  try {
    Object.assign(context, { vectors: await model.embed(PROBE_TEXTS), failure: model.embed([7 as never]) });
    const told = (await runInContext(
      `failure.catch((error) => [
        vectors instanceof Array, ...vectors.map((vector) => vector instanceof Float32Array), error instanceof Error,
      ])`,
      context,
    )) as boolean[];
    expect([...told]).toEqual([true, true, true, true, true, true]);
    expect((await model.embed('a')) instanceof Float32Array).toBe(false); // jest's is another
  } finally {
    await model.dispose();
  }
});
