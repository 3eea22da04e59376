// What stands in one place only.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './support.mjs';

const require = createRequire(import.meta.url);

/** Files of lib that name one of `words` as a string. */
function naming(words) {
  const pattern = new RegExp(`'(?:${words.join('|')})'|^\\s*(?:${words.join('|')}):`, 'm');
  return readdirSync(join(ROOT, 'lib'), { recursive: true })
    .filter((file) => file.endsWith('.ts') && pattern.test(readFileSync(join(ROOT, 'lib', file), 'utf8')))
    .sort();
}

test('an architecture is named in one file of lib', () => {
  const { ARCHITECTURES } = require('../../dist/model/architectures.js');
  const known = Object.entries(ARCHITECTURES);
  assert.ok(known.length >= 3);
  const words = known.flatMap(([name, { modelClass, formerModule }]) => [name, modelClass, formerModule]);
  // Names of files that sentence-transformers once wrote, those of architectures that vectune does not run among them.
  const others = ['model/folder/sentence-config.ts'];
  assert.deepEqual(naming(words), ['model/architectures.ts', ...others]);
});
