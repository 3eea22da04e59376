// What the documents name is there, the README is short, and what is drawn from the code is up to date.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { drawn } from '../../scripts/rooms/draw.mjs';
import { ROOT } from './support.mjs';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];
const read = (file) => readFileSync(join(ROOT, file), 'utf8');
const { scripts } = JSON.parse(read('package.json'));
/** Top folders of the repository: a word in code that begins with one is a path. */
const TOP = /^(?:lib|native|scripts|test|docs|\.github)\//;

test('the README has at most 1,200 words', () => {
  const words = read('README.md').split(/\s+/).length;
  assert.ok(words > 300 && words <= 1200, `${words} words`);
});

for (const file of DOCUMENTS) {
  const text = read(file);
  const prose = text.replaceAll(/^```.*?^```/gms, '');
  const code = [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);

  test(`${file}: links lead somewhere`, () => {
    for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      assert.ok(existsSync(join(ROOT, dirname(file), target.replace(/#.*$/, ''))), target);
    }
  });

  test(`${file}: commands and files that it names are there`, () => {
    for (const [, name] of text.matchAll(/\bnpm run ([\w:-]+)/g))
      assert.ok(scripts[name] !== undefined, `npm run ${name}`);
    for (const word of code.flatMap((piece) => piece.split(/[\s,]+/))) {
      if (!TOP.test(word) || /[*<>{}]|\bNAME\b/.test(word)) continue;
      assert.ok(existsSync(join(ROOT, word)), word);
    }
  });
}

test('drawings and READMEs of the rooms are those of the code', () => {
  const files = drawn(ROOT);
  assert.ok(files.size > 15);
  for (const [file, content] of files) {
    assert.equal(existsSync(join(ROOT, file)) && read(file), content, `${file}: npm run rooms -- --write`);
  }
});
