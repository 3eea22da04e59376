// What `npm run guards` takes out in turn is in the code, and the tests that it names are there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { guards } from '../guards/guards.mjs';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

for (const [file, list] of Object.entries(guards)) {
  test(file, () => {
    const text = read(file);
    for (const { guard, from, to, test: path, name } of list) {
      assert.equal(text.split(from).length, 2, `${guard}: found once`);
      assert.notEqual(from, to, guard);
      assert.ok(name.length > 0 && read(`test/${path}.test.ts`).length > 0, guard);
    }
  });
}

test('no guard twice', () => {
  const names = Object.values(guards).flatMap((list) => list.map(({ guard }) => guard));
  assert.deepEqual([...new Set(names)], names);
});
