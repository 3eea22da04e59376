import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LibTorchError } from '../errors';
import { outsideArchive } from './archive';
import { platformKey } from './platform';

/** The compiled addons of this installation. */
export interface Addons {
  loader: string;
  /** Path of the engine for each version of LibTorch. */
  engines: ReadonlyMap<string, string>;
}

/** Folder of package.json; this file lies two folders below it, as source and when compiled. */
export const PACKAGE_ROOT = resolve(__dirname, '..', '..');

/** What node-gyp-build gives: the file for this platform, libc and runtime. */
type Resolve = (root: string) => string;

/**
 * Finds the addons: those that came with the package (`dist/addons`), else those that a clone built (`.build`).
 * Each lies in a root of its own, where node-gyp-build finds the file by its usual rules.
 *
 * @throws LibTorchError ERR_ADDON_MISSING
 */
export async function findAddons(packageRoot: string = PACKAGE_ROOT): Promise<Addons> {
  const build = require('node-gyp-build') as { resolve: Resolve };
  const tried: string[] = [];
  const resolveIn = (root: string): string | undefined => {
    try {
      return build.resolve(root);
    } catch {
      tried.push(root);
      return undefined;
    }
  };
  let loader: string | undefined;
  const engines = new Map<string, string>();
  // Node's own functions look into an Electron app's archive, the linker does not: what lies beside it goes first.
  for (const place of new Set([outsideArchive(packageRoot), packageRoot])) {
    loader ??= resolveIn(join(place, 'dist', 'addons', 'loader'));
    for (const [version, root] of await engineRoots(place)) {
      if (engines.has(version)) continue;
      const engine = resolveIn(root);
      if (engine === undefined) continue;
      engines.set(version, engine);
      loader ??= resolveIn(join(root, '..', 'loader'));
    }
  }
  if (loader !== undefined && engines.size > 0) return { loader, engines };
  throw new LibTorchError(
    'ERR_ADDON_MISSING',
    `vectune has no compiled addon for ${platformKey()}, Node ${process.versions.node} (looked in ` +
      `${tried.length > 0 ? tried.join(', ') : join(packageRoot, 'dist', 'addons')}). In a clone of the repository ` +
      'run: npm run setup',
  );
}

/** Roots of engines and the LibTorch version of each: packaged ones, then built ones; newest version last. */
async function engineRoots(packageRoot: string): Promise<[version: string, root: string][]> {
  const roots: [string, string][] = [];
  for (const [folder, pattern, below] of [
    [join(packageRoot, 'dist', 'addons'), /^engine-(\d+\.\d+\.\d+)$/, ''],
    [join(packageRoot, '.build'), /^libtorch-(\d+\.\d+\.\d+)$/, 'engine'],
  ] as const) {
    for (const name of (await readdir(folder).catch(() => [] as string[])).sort()) {
      const version = pattern.exec(name)?.[1];
      if (version !== undefined) roots.push([version, join(folder, name, below)]);
    }
  }
  return roots;
}
