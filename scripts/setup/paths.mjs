import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const DIST = join(ROOT, 'dist');
/** LibTorch that the engine is built for and tested with: the reference, or the one that the environment names. */
export const LIBTORCH_VERSION = process.env.VECTUNE_LIBTORCH_VERSION || '2.11.0';
export const BUILD = join(ROOT, '.build', `libtorch-${LIBTORCH_VERSION}`);
export const STAMPS = join(ROOT, '.build', 'stamps');

export function packageJson() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
}
