import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { merge, type TextVectorisation } from '../../lib';
import { mergeDifferences } from '../../lib/model/mergeable';
import { openModel } from '../../lib/model/open';
import { readTensors, type Tensor } from '../parity/safetensors';
import { vectune } from '../unit/cli/run';
import { bits, editJson, fixture, liveObjects, PROBE_TEXTS, useModels, type Models } from './models';
import { scoredRows } from './rows';
import { finish, rejection } from './runs';

const models = useModels();

const BASE = fixture('bert-dense');

/** A model that was trained from the fixture, saved. */
async function tuned(of: Models, name: string, seed: number): Promise<string> {
  const model = of.open(BASE);
  await finish(model, scoredRows(), { recipe: 'notebook', epochs: 1, learningRate: 1e-2, validationSplit: 0, seed });
  return model.save(of.path(name));
}

/** All tensors of a model's folder. */
function weights(folder: string): Map<string, Tensor> {
  return new Map(
    ['.', '2_Dense'].flatMap((part) =>
      [...readTensors(join(folder, part, 'model.safetensors'))].map(([n, t]) => [part + n, t]),
    ),
  );
}

async function saved(model: TextVectorisation, name: string): Promise<Map<string, Tensor>> {
  try {
    return weights(await model.save(models.path(name)));
  } finally {
    await model.dispose();
  }
}

const length = (x: ArrayLike<number>) => Math.sqrt(Array.from(x).reduce((sum, value) => sum + value * value, 0));

/** Shoemake's slerp of the directions, with the mean of the lengths. */
function slerp(a: Float32Array, b: Float32Array, t: number): Float64Array {
  const [la, lb] = [length(a), length(b)];
  const cosine = a.reduce((sum, value, i) => sum + (value * b[i]!) / la / lb, 0);
  const angle = Math.acos(Math.min(1, cosine));
  const [x, y] =
    angle < 1e-6 ? [1 - t, t] : [Math.sin((1 - t) * angle), Math.sin(t * angle)].map((s) => s / Math.sin(angle));
  const scale = (1 - t) * la + t * lb;
  return Float64Array.from(a, (value, i) => scale * ((x! * value) / la + (y! * b[i]!) / lb));
}

function farthest(found: Map<string, Tensor>, wanted: (name: string) => ArrayLike<number>): number {
  let most = 0;
  for (const [name, { data }] of found) {
    const expected = wanted(name);
    data.forEach((value, i) => {
      most = Math.max(most, Math.abs(value - expected[i]!));
    });
  }
  return most;
}

test('linear: the weighted mean of every parameter; weights are divided by their sum', async () => {
  const other = await tuned(models, 'a', 1);
  const [base, trained] = [weights(await models.open(BASE).save(models.path('base'))), weights(other)];
  const found = await saved(await merge([BASE, other], [3, 7]), 'merged');
  expect([...found.keys()].sort()).toEqual([...base.keys()].sort());
  const moved = farthest(trained, (name) => base.get(name)!.data);
  expect(moved).toBeGreaterThan(1e-3);
  const most = farthest(found, (name) =>
    base.get(name)!.data.map((b, i) => 0.3 * b + 0.7 * trained.get(name)!.data[i]!),
  );
  expect(most).toBeLessThan(2e-7);
});

test('a share of 1 is that model, to the bit, whatever the method', async () => {
  const other = await tuned(models, 'a', 1);
  const wanted = bits(await models.open(other).embed(PROBE_TEXTS));
  for (const method of ['linear', 'spherical'] as const) {
    await using merged = await merge([BASE, other], [0, 1], { method });
    expect(bits(await merged.embed(PROBE_TEXTS))).toBe(wanted);
  }
});

test('what models agree in stays to the bit', async () => {
  const wanted = bits(await models.open(BASE).embed(PROBE_TEXTS));
  for (const method of ['linear', 'spherical'] as const) {
    await using merged = await merge([BASE, BASE, BASE], [0.2, 0.3, 0.5], { method });
    expect(bits(await merged.embed(PROBE_TEXTS))).toBe(wanted);
  }
});

test('spherical: of two models slerp', async () => {
  const [a, b] = [await tuned(models, 'a', 1), await tuned(models, 'b', 2)];
  const [one, other] = [weights(a), weights(b)];
  const found = await saved(await merge([a, b], [0.6, 0.4], { method: 'spherical' }), 'merged');
  expect(farthest(found, (name) => slerp(one.get(name)!.data, other.get(name)!.data, 0.4))).toBeLessThan(1e-6);
});

test('spherical: of three models the order does not count, and lengths are the mean of theirs', async () => {
  const folders = [await tuned(models, 'a', 1), await tuned(models, 'b', 2), await tuned(models, 'c', 3)];
  const shares = [0.2, 0.3, 0.5];
  const found = await saved(await merge(folders, shares, { method: 'spherical' }), 'one');
  const turned = await saved(
    await merge([folders[2]!, folders[0]!, folders[1]!], [0.5, 0.2, 0.3], { method: 'spherical' }),
    'other',
  );
  expect(farthest(found, (name) => turned.get(name)!.data)).toBeLessThan(1e-6);
  const all = folders.map(weights);
  for (const [name, { data }] of found) {
    const wanted = all.reduce((sum, one, i) => sum + shares[i]! * length(one.get(name)!.data), 0);
    expect(Math.abs(length(data) / wanted - 1)).toBeLessThan(1e-5);
  }
});

test('models in memory are merged as they are, and stay; the card tells what was merged', async () => {
  const model = models.open(BASE);
  await finish(model, scoredRows(), { recipe: 'notebook', epochs: 1, learningRate: 1e-2, validationSplit: 0 });
  const before = bits(await model.embed(PROBE_TEXTS));
  const merged = await merge([BASE, model], [1, 1]);
  const folder = await merged.save(models.path('merged'));
  expect(bits(await models.open(folder).embed(PROBE_TEXTS))).toBe(bits(await merged.embed(PROBE_TEXTS)));
  expect(bits(await model.embed(PROBE_TEXTS))).toBe(before);
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  expect(card).toContain('## Merged from');
  expect(card).toContain('| model | 0.5 |');
  await finish(merged, scoredRows(), { recipe: 'notebook', epochs: 1, validationSplit: 0 });
  await merged.dispose();
});

test('models that differ are refused with what differs, and nothing stays in memory', async () => {
  const renamed = models.copy('bert-dense', 'renamed');
  editJson<{ model: { vocab: Record<string, number> } }>(join(renamed, 'tokenizer.json'), ({ model }) => {
    const [first, second] = Object.keys(model.vocab).slice(-2) as [string, string];
    [model.vocab[first], model.vocab[second]] = [model.vocab[second]!, model.vocab[first]!];
  });
  const held = await liveObjects();
  const errors = [
    [fixture('bert-mean'), /module 2: Dense \(.*\) and Normalize|module 2: Dense/],
    [fixture('distilbert-dense'), /architecture: "bert" and "distilbert"|architecture: 'bert' and 'distilbert'/],
    [renamed, /vocabulary: the token .* has the id \d+ and \d+/],
  ] as const;
  for (const [other, told] of errors) {
    const error = (await rejection(merge([BASE, other], [1, 1]))) as Error & { code: string };
    expect(error.code).toBe('ERR_MERGE');
    expect(error.message).toMatch(told);
  }
  expect(await liveObjects()).toEqual(held);
});

test('how texts are tokenised counts, not how they are cut or filled up', async () => {
  const cut = models.copy('bert-dense', 'cut');
  editJson<Record<string, unknown>>(join(cut, 'tokenizer.json'), (json) => {
    json['truncation'] = { max_length: 8, stride: 0, strategy: 'LongestFirst', direction: 'Right' };
  });
  const [a, b] = [await openModel(BASE), await openModel(cut)];
  await expect(mergeDifferences(a, b)).resolves.toEqual([]);
  const { json } = await a.tokeniser.ready();
  const other = { ...a, tokeniser: { ready: async () => ({ json: { ...json, normalizer: null } }) } };
  await expect(mergeDifferences(a, other)).resolves.toEqual(['tokenizer: its normalizer differs']);
});

test.each<[string, unknown, unknown, string]>([
  ['one model', [BASE], [1], 'at least two models'],
  ['no list', BASE, [1], 'a list of at least two models'],
  ['too few weights', [BASE, BASE], [1], 'as many weights as models, 2, but there is 1'],
  ['no weight above 0', [BASE, BASE], [0, 0], 'not all may be 0'],
  ['a weight below 0', [BASE, BASE], [-0.5, 1.5], 'a number from 0'],
  ['a weight that is none', [BASE, BASE], ['1', 1], 'a number from 0'],
])('%s is refused', async (_, given, weightsGiven, told) => {
  const error = (await rejection(merge(given as string[], weightsGiven as number[]))) as Error & { code: string };
  expect(error.code).toBe('ERR_INVALID_ARGUMENT');
  expect(error.message).toContain(told);
});

test('vectune merge saves what merge gives', async () => {
  const other = await tuned(models, 'a', 1);
  const out = models.path('out');
  const ran = await vectune(['merge', BASE, other, '--weights', '0.3,0.7', '--method', 'spherical', '--out', out]);
  expect(ran.stderr).toBe('');
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain(`merged (spherical) and saved to ${out}`);
  const wanted = await saved(await merge([BASE, other], [0.3, 0.7], { method: 'spherical' }), 'merged');
  expect(farthest(weights(out), (name) => wanted.get(name)!.data)).toBe(0);
  const wrong = await vectune(['merge', BASE, fixture('bert-mean'), '--weights', '1,1', '--out', out]);
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('[ERR_MERGE]');
  expect(farthest(weights(out), (name) => wanted.get(name)!.data)).toBe(0);
});
