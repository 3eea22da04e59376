// An architecture is a plan (native/engine/model/architectures): no other file of the engine knows one by its name.
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ARCHITECTURE_NAMES } from '../../../lib/model/architectures';
import { STATIC } from '../../../lib/model/folder/static-embedding';

const ROOT = resolve(__dirname, '../../..');
const PLANS = join(ROOT, 'native/engine/model/architectures');

const names = readdirSync(PLANS)
  .filter((file) => file.endsWith('.cpp') && file !== 'architectures.cpp')
  .map((file) => file.replace('.cpp', ''))
  .sort();

test('there is a plan for each architecture', () => {
  expect(names).toEqual([
    'albert',
    'bert',
    'camembert',
    'distilbert',
    'electra',
    'gemma3_text',
    'gte',
    'modernbert',
    'mpnet',
    'nomic_bert',
    'qwen2',
    'qwen3',
    'roberta',
    'static_embedding',
    'xlm_roberta',
  ]);
  expect([...ARCHITECTURE_NAMES, STATIC].map((name) => name.replace('-', '_')).sort()).toEqual(names);
});

test('the name of an architecture stands in its own file, and in the list of them, only', () => {
  const files = readdirSync(join(ROOT, 'native'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  expect(files.length).toBeGreaterThan(100);
  // Not within another word: "gte" is in TrainingTensor.
  const words = names.map((name) => new RegExp(`(?<![a-z])${name}`));
  const named = files.filter((file) => {
    const text = readFileSync(file, 'utf8').toLowerCase();
    return !file.startsWith(PLANS) && words.some((word) => word.test(text));
  });
  expect(named).toEqual([]);
  for (const name of names) {
    const known = new RegExp(`"${name.replace('_', '[-_]')}"`);
    const strings = files.filter((file) => known.test(readFileSync(file, 'utf8')));
    expect(strings).toEqual([join(PLANS, `${name}.cpp`)]);
  }
});
