// docs/errors.md is what the errors print now, and every message has the words of whoever reads it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { messages, PAGE, pageOf, ROOT } from '../../scripts/errors-page/page.mjs';

const require = createRequire(import.meta.url);
const all = await messages();

test('docs/errors.md is up to date (npm run errors)', () => {
  const [now, then] = [pageOf(all), readFileSync(PAGE, 'utf8')].map((text) => text.split('\n'));
  assert.deepEqual(then, now);
});

test('every code of an error has a message', () => {
  const codes = [...readFileSync(join(ROOT, 'lib/system/errors.ts'), 'utf8').matchAll(/[|=] '(ERR_[A-Z_]+)'/g)].map(
    (match) => match[1],
  );
  assert.ok(codes.length > 30);
  assert.deepEqual(
    codes.filter((code) => !all.some((one) => one.code === code)),
    [],
  );
});

const { entries } = require('../../dist/cli/tables.js');
const paths = [...entries.keys()];
// One word may be a word of English too; where it is an option it stands before a colon, in braces.
const compound = [...new Set(paths.flatMap((path) => path.split('.')))].filter((name) => /[a-z][A-Z]/.test(name));
const programs = new RegExp(
  `\\b(${compound.join('|')})\\b|\\bfile\\.[a-z]|\\{ (${paths.filter((path) => !path.includes('.')).join('|')}): |\\bfinetune\\(|\\bsave\\(|\\[object `,
);
// What only a program can do: to pass lists, rows, options by name, other objects.
const PROGRAM_ONLY =
  /^lib\/(text-vectorisation|text-vectorisation\/.*|finetune\/run-control|finetune\/run|data\/(balance|object-rows|validate)|mine\/paraphrases|evaluate\/.*|embed\/.*|system\/(options|option-table)|index)\.ts$/;

test('who typed a command is told of no option of a program', () => {
  const wrong = all
    .filter(({ cli, file }) => cli !== null && !PROGRAM_ONLY.test(file ?? ''))
    .filter(({ cli }) => programs.test(cli));
  assert.deepEqual(
    wrong.map(({ file, cli }) => `${file}: ${cli}`),
    [],
  );
});

test('who wrote a program is told of no flag', () => {
  const wrong = all
    .filter(({ api, file }) => api !== null && !file?.startsWith('lib/cli/'))
    // A whole command that can be typed, or a program of another's.
    .filter(({ api }) => /(?:^|[\s(])--[a-z]/.test(api.replaceAll(/(npx vectune|npm run|pip) .*/g, '')));
  assert.deepEqual(
    wrong.map(({ file, api }) => `${file}: ${api}`),
    [],
  );
});

test('an option that is named in a message is an option', () => {
  const { intervalTable } = require('../../dist/evaluate/options.js');
  const known = new Set([...paths, ...Object.keys(intervalTable), 'split', 'file']);
  const named = readdirSync(join(ROOT, 'lib'), { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('wording.ts'))
    .flatMap((name) => [...readFileSync(join(ROOT, 'lib', name), 'utf8').matchAll(/(?<!\.)\boption\('([^'$]+)'/g)])
    .map((match) => match[1]);
  assert.ok(named.length > 40);
  assert.deepEqual(
    named.filter((path) => !known.has(path)),
    [],
  );
});
