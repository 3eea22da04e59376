import { readFileSync } from 'node:fs';
import { ServerError } from '../system/errors';
import { say } from '../system/wording';

/**
 * What the server is made of, and nothing else of vectune needs, by major version. They are optional peers of any version,
 * since a project that only embeds may have others; so they are looked at here, before they are imported.
 */
const PACKAGES = { fastify: 5, 'prom-client': 15, zod: 4 };

/** Undefined where there is none. */
function installedVersion(name: string): string | undefined {
  try {
    const file = require.resolve(`${name}/package.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** @throws ServerError ERR_SERVER_PACKAGES, with what to type */
export function checkServerPackages(): void {
  const lacking = Object.entries(PACKAGES).flatMap(([name, major]) => {
    const version = installedVersion(name);
    if (version !== undefined && Number.parseInt(version, 10) === major) return [];
    const found = version === undefined ? 'not installed' : `here ${version}`;
    return [{ wanted: `${name}@${major}`, found: `${name} ${major} (${found})` }];
  });
  if (lacking.length === 0) return;
  const wanted = lacking.map((one) => one.wanted).join(' ');
  throw new ServerError(
    'ERR_SERVER_PACKAGES',
    `The server needs packages that vectune does not bring: ${lacking.map(({ found }) => found).join(', ')}.`,
    { remedy: say`This installs them: npm install ${wanted}` },
  );
}
