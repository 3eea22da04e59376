// What stands in one place only.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './support.mjs';

const require = createRequire(import.meta.url);

/** Files of a folder, TypeScript or C++, that name one of `words` as a string or as a key. */
function naming(folder, words) {
  const any = `(?:${words.join('|')})`;
  const pattern = new RegExp(`'${any}'|"${any}\\.?"|^\\s*${any}:`, 'm');
  return readdirSync(join(ROOT, folder), { recursive: true })
    .filter((file) => /\.(?:ts|cpp|h)$/.test(file))
    .filter((file) => pattern.test(readFileSync(join(ROOT, folder, file), 'utf8')))
    .sort();
}

test('an architecture is named in one file of lib, and in one of the engine', () => {
  const { ARCHITECTURES } = require('../../dist/model/architectures.js');
  const known = Object.entries(ARCHITECTURES);
  assert.ok(known.length >= 3);
  // Names of files that sentence-transformers once wrote, those of architectures that vectune does not run among them.
  // The list of well-known models says what each is, and exporters write other programs' names (lib/export/plans.ts).
  const others = ['model/folder/sentence-config.ts', 'model/presets.ts'];
  // Files of NomicBERT with a head for masked words have BERT's prefix before the names of their tensors.
  const othersPrefix = [['bert', 'engine/model/architectures/nomic_bert.cpp']];
  // The list of all has their names as keys.
  const table = 'model/architectures.ts';
  for (const [name, { modelClass, formerModule }] of known) {
    const words = [name, modelClass, formerModule].filter((word) => word !== null);
    const found = naming('lib', words).filter(
      (file) => !file.startsWith('export/') && !others.includes(file) && file !== table,
    );
    assert.deepEqual(found, [`model/architectures/${name.replaceAll('_', '-')}.ts`]);
    const inEngine = naming('native', [name]).filter(
      (file) => !othersPrefix.some(([of, where]) => of === name && where === file),
    );
    assert.deepEqual(inEngine, [`engine/model/architectures/${name.replace('-', '_')}.cpp`]);
  }
});

test('a loss is named among the losses alone, in lib and in the engine', () => {
  const { losses } = require('../../dist/finetune/losses/table.js');
  assert.ok(Object.keys(losses).length > 0);
  for (const name of Object.keys(losses)) {
    // A name of one word may be a word of something else: an evaluator, a form of rows.
    // A recipe is a table that names its own.
    const inLib = naming('lib', [name]).filter((file) => !file.startsWith('finetune/recipes/'));
    const table = 'finetune/losses/table.ts';
    if (name.includes('-'))
      assert.ok(inLib.includes(table) && inLib.every((file) => /^finetune\/losses\//.test(file)), name);
    const found = naming('native', [name]);
    assert.ok(
      found.includes('engine/losses/losses.cpp') && found.every((file) => /^engine\/losses\//.test(file)),
      name,
    );
  }
});
