import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFolder } from '../../../lib/system/atomic-folder';

/** What a cached model is put in its place by: one that is there whole is left to those who read it. */

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'vectune-cache-'));
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

const put = (folder: string, text: string) => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'whole'), text);
};

test("another writer's folder that comes just after it was looked for is kept, and never moved", async () => {
  const target = join(home, 'model');
  let looked = 0;
  await replaceFolder(
    target,
    async (fresh) => put(fresh, 'second'),
    async () => {
      const there = existsSync(join(target, 'whole'));
      if (looked++ === 0) put(target, 'first');
      return there;
    },
  );
  expect(looked).toBe(2);
  expect(readFileSync(join(target, 'whole'), 'utf8')).toBe('first');
  expect(readdirSync(home)).toEqual(['model']);
});

test('what is there and not whole is replaced', async () => {
  const target = join(home, 'model');
  mkdirSync(target);
  writeFileSync(join(target, 'half'), '');
  const before = statSync(target).ino;
  await replaceFolder(
    target,
    async (fresh) => put(fresh, 'new'),
    async () => existsSync(join(target, 'whole')),
  );
  expect(readdirSync(target)).toEqual(['whole']);
  expect(statSync(target).ino).not.toBe(before);
  expect(readdirSync(home)).toEqual(['model']);
});

test('what is there goes back to its place where the new one cannot come', async () => {
  const target = join(home, 'model');
  put(target, 'first');
  let asked = 0;
  const replacing = replaceFolder(
    target,
    async (fresh) => put(fresh, 'second'),
    async () => {
      // Somebody else removes what was written, after it was flushed.
      if (++asked === 2)
        for (const name of readdirSync(home))
          if (name.includes('.vectune-new-')) rmSync(join(home, name), { recursive: true });
      return false;
    },
  );
  await expect(replacing).rejects.toMatchObject({ code: 'ENOENT' });
  expect(asked).toBe(2);
  expect(readFileSync(join(target, 'whole'), 'utf8')).toBe('first');
  expect(readdirSync(home)).toEqual(['model']);
});
