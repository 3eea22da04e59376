import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const DIST = join(ROOT, 'dist');
/** LibTorch that this tree builds the engine for. */
export const LIBTORCH_VERSION = '2.11.0';
export const BUILD = join(ROOT, '.build', `libtorch-${LIBTORCH_VERSION}`);
export const STAMPS = join(ROOT, '.build', 'stamps');

export function packageJson() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
}
