import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, STAMPS } from './paths.mjs';

/** Hash of the content of files and of everything in folders, given as paths from the repository's root. */
export function hashOf(paths, ...more) {
  const hash = createHash('sha256');
  const add = (path) => {
    if (statSync(join(ROOT, path)).isDirectory()) {
      for (const name of readdirSync(join(ROOT, path)).sort()) add(`${path}/${name}`);
      return;
    }
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  };
  for (const path of paths) add(path);
  for (const text of more) hash.update(`${text}\0`);
  return hash.digest('hex');
}

/** Whether the step `name` was last completed with this hash. */
export function isStamped(name, hash) {
  try {
    return readFileSync(join(STAMPS, name), 'utf8') === hash;
  } catch {
    return false;
  }
}

export function stamp(name, hash) {
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(join(STAMPS, name), hash);
}

/** Before a step works: one that is broken off must not count as done. */
export function unstamp(name) {
  rmSync(join(STAMPS, name), { force: true });
}
