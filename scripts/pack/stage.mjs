import { cpSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, packageJson, ROOT } from '../setup/paths.mjs';
import { prebuildAddons } from './prebuilds.mjs';

/** What a reader of the package needs of package.json; the rest is the repository's own business. */
const FIELDS = [
  ...[
    'name',
    'version',
    'description',
    'license',
    'homepage',
    'bugs',
    'repository',
    'keywords',
    'type',
    'engines',
    'gypfile',
    'main',
    'types',
    'exports',
    'typesVersions',
  ],
  ...['bin', 'files', 'dependencies', 'peerDependencies', 'peerDependenciesMeta'],
];

/** Puts the package together in `folder`, which is made anew, with `ready` addons or new ones; dist must be compiled. */
export async function stagePackage(folder, versions, ready) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['README.md', 'LICENSE', 'CHANGELOG.md', 'THIRD_PARTY_NOTICES.md']) {
    cpSync(join(ROOT, name), join(folder, name));
  }
  const addons = join(DIST, 'addons');
  cpSync(DIST, join(folder, 'dist'), {
    recursive: true,
    filter: (path) => path !== addons,
  });
  // What the maps of dist lead to: a debugger's lines, an editor's definitions. And the server's page, served as it is.
  cpSync(join(ROOT, 'lib'), join(folder, 'lib'), {
    recursive: true,
    filter: (path) => statSync(path).isDirectory() || /\.(?:ts|html|css|mjs)$/.test(path),
  });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(packedManifest(), null, 2)}\n`);
  const place = join(folder, 'dist', 'addons');
  if (ready === undefined) await prebuildAddons(place, versions);
  else cpSync(ready, place, { recursive: true });
}

function packedManifest(repository = process.env.GITHUB_REPOSITORY) {
  const manifest = packageJson();
  const packed = Object.fromEntries(FIELDS.map((field) => [field, manifest[field]]));
  // npm compares it with the place of the workflow when it publishes with provenance.
  if (repository) packed.repository = { type: 'git', url: `git+https://github.com/${repository}.git` };
  return packed;
}
