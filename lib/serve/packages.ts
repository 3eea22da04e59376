import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../engine/addons';
import { ServerError } from '../system/errors';
import { say } from '../system/wording';

/**
 * What the server is made of, and nothing else of vectune needs: optional dependencies, which npm installs unless it is told
 * to leave such out. Is imported before they are.
 */
const manifest = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
  optionalDependencies: Record<string, string>;
};

const missing = Object.entries(manifest.optionalDependencies).filter(([name]) => {
  try {
    require.resolve(name);
    return false;
  } catch {
    return true;
  }
});

if (missing.length > 0) {
  const wanted = missing.map(([name, range]) => `'${name}@${range}'`).join(' ');
  throw new ServerError(
    'ERR_SERVER_PACKAGES',
    `The server needs packages that are not installed: ${missing.map(([name]) => name).join(', ')}.`,
    {
      remedy: say`They are optional dependencies of vectune, which were left out when it was installed. This installs them: npm install ${wanted}`,
    },
  );
}
