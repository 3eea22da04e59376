import { createRequire } from 'node:module';
import { join } from 'node:path';
import { checkPip } from './tools.mjs';
import { DIST, LIBTORCH_VERSION } from './paths.mjs';
import { SetupError } from './step.mjs';

const require = createRequire(import.meta.url);
const compiled = (name) => require(join(DIST, 'libtorch', `${name}.js`));

/** Its program, as far as the functions below use it. What Node has loaded may be written anew meanwhile. */
export const LIBTORCH_PROGRAM = join('cli', 'libtorch');
export function loadLibTorchProgram() {
  for (const name of ['find', 'install']) compiled(name);
  require(join(DIST, `${LIBTORCH_PROGRAM}.js`));
}

/** The LibTorch that would be used, and with `headers` one to build against; undefined where there is none. */
export async function findLibTorch({ headers }) {
  const { searchLibTorch } = compiled('find');
  for await (const candidate of searchLibTorch({ versions: [LIBTORCH_VERSION], headers })) {
    if (candidate.rejected === undefined) return candidate.found;
    const named = candidate.origin === 'environment';
    if (named) {
      throw new SetupError(
        `VECTUNE_LIBTORCH names ${candidate.path}, which cannot be used: ${candidate.rejected}. Name another folder, ` +
          'or let vectune install its own:',
        'unset VECTUNE_LIBTORCH',
      );
    }
  }
  return undefined;
}

/** Installs LibTorch with header files in the user's cache; who runs the set-up consents to it. */
export async function installLibTorch() {
  checkPip();
  const { InstallDisplay } = require(join(DIST, `${LIBTORCH_PROGRAM}.js`));
  const display = new InstallDisplay();
  try {
    const onEvent = (event) => display.show(event);
    return await compiled('install').installLibTorch({ version: LIBTORCH_VERSION, headers: true, onEvent });
  } finally {
    display.end();
  }
}
