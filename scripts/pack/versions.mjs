import { createRequire } from 'node:module';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, ROOT } from '../setup/paths.mjs';

const require = createRequire(import.meta.url);

/** The LibTorch versions of this platform, the reference first, from the table in lib/native/libtorch; needs dist. */
export function supportedVersions() {
  return require(join(DIST, 'native', 'libtorch', 'table.js'))
    .releases()
    .map(({ version }) => version);
}

/** Those that this clone has an engine for. */
export function builtVersions() {
  return supportedVersions().filter((version) =>
    existsSync(join(ROOT, '.build', `libtorch-${version}`, 'engine', 'build', 'Release', 'vectune.node')),
  );
}
