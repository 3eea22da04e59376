// Puts the example app together as a packager of Electron's does: the app and the packages that it needs in one archive,
// app.asar, and what the operating system maps (addons, the model's weights) beside it in app.asar.unpacked.
//   node test/electron/stage.mjs FOLDER   writes FOLDER/app.asar, to be run by: electron FOLDER/app.asar
import { createRequire } from 'node:module';
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..');
const MODEL = join(ROOT, 'test', 'parity', 'fixtures', 'bert-dense', 'model');

/** Folders of the packages that vectune needs to run, itself left out, as npm puts them. */
function dependencies() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const wanted = Object.entries(packages).filter(([path, { dev, optional }]) => path !== '' && !dev && !optional);
  return wanted.map(([path]) => path);
}

/** Writes `folder`/app.asar and what is unpacked beside it; gives the archive's path. */
export async function stageApp(folder) {
  const { createPackageWithOptions } = require('@electron/asar');
  const app = join(folder, 'app');
  const vectune = join(app, 'node_modules', 'vectune');
  mkdirSync(vectune, { recursive: true });
  cpSync(join(HERE, 'app'), app, { recursive: true });
  cpSync(MODEL, join(app, 'model'), { recursive: true });
  for (const name of ['dist', 'package.json']) cpSync(join(ROOT, name), join(vectune, name), { recursive: true });
  // Addons for other systems are left out, as packagers do.
  const own = (file) => !file.endsWith('.node') || file.includes(process.platform);
  for (const path of dependencies())
    cpSync(join(ROOT, path), join(app, path), { recursive: true, dereference: true, filter: own });
  // The addons as a published package has them (prebuildify's layout).
  const { findAddons } = require(join(ROOT, 'dist', 'engine', 'addons.js'));
  const { loader, engines } = await findAddons(ROOT);
  const place = (file, name) =>
    cpSync(
      file,
      join(vectune, 'dist', 'addons', name, 'prebuilds', `${process.platform}-${process.arch}`, 'vectune.node'),
    );
  place(loader, 'loader');
  for (const [version, engine] of engines) place(engine, `engine-${version}`);
  const archive = join(folder, 'app.asar');
  await createPackageWithOptions(app, archive, { unpack: '{**/*.node,**/*.safetensors}' });
  rmSync(app, { recursive: true });
  return archive;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('name the folder to write to: node test/electron/stage.mjs FOLDER');
  mkdirSync(folder, { recursive: true });
  console.log(relative(process.cwd(), await stageApp(folder)));
}
