import { createRequire } from 'node:module';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, ROOT } from '../setup/paths.mjs';

const require = createRequire(import.meta.url);

/**
 * The LibTorch versions of this platform, the reference first, from the table in lib/libtorch; needs dist. Where
 * vectune knows of none to install, the reference, which VECTUNE_LIBTORCH must then name.
 */
export function supportedVersions() {
  const { releases, REFERENCE_VERSION } = require(join(DIST, 'libtorch', 'table.js'));
  const versions = releases().map(({ version }) => version);
  return versions.length > 0 ? versions : [REFERENCE_VERSION];
}

/** Those that a folder of addons has engines for. */
export function versionsIn(addons) {
  const engines = readdirSync(addons).map((name) => /^engine-(\d+\.\d+\.\d+)$/.exec(name)?.[1]);
  return engines.filter((version) => version !== undefined);
}

/** Those that this clone has an engine for. */
export function builtVersions() {
  return supportedVersions().filter((version) =>
    existsSync(join(ROOT, '.build', `libtorch-${version}`, 'engine', 'build', 'Release', 'vectune.node')),
  );
}
