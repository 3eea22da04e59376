import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { LibTorchError } from '../system/errors';
import { outsideArchive } from '../system/asar';
import { REFERENCE_VERSION } from '../libtorch/table';
import { platformKey } from '../system/platform';

/** The compiled addons of this installation. */
export interface Addons {
  loader: string;
  /** Path of the engine for each version of LibTorch. */
  engines: ReadonlyMap<string, string>;
}

/** Folder of package.json; this file lies two folders below it, as source and when compiled. */
export const PACKAGE_ROOT = resolve(__dirname, '..', '..');

/**
 * Finds the addons: those that came with the package (`dist/addons`), else those that a clone built (`.build`).
 * Each lies in a root of its own, where the file is found by node-gyp-build's rules.
 *
 * @throws LibTorchError ERR_ADDON_MISSING
 */
export async function findAddons(packageRoot: string = PACKAGE_ROOT): Promise<Addons> {
  const tried: string[] = [];
  const find = (root: string, rule: Rule): string | undefined => {
    const file = rule(root);
    if (file === undefined) tried.push(root);
    return file;
  };
  let loader: string | undefined;
  const engines = new Map<string, string>();
  // Node's own functions look into an Electron app's archive, the linker does not: what lies beside it goes first.
  for (const place of new Set([outsideArchive(packageRoot), packageRoot])) {
    loader ??= find(join(place, 'dist', 'addons', 'loader'), prebuilt);
    for (const { version, root, rule } of engineRoots(place)) {
      if (engines.has(version)) continue;
      const engine = find(root, rule);
      if (engine === undefined) continue;
      engines.set(version, engine);
      loader ??= find(join(root, '..', 'loader'), rule);
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

/** Versions of LibTorch that there is an engine for: the reference first, then the newest. */
export function versionsOf({ engines }: Addons): string[] {
  const newestFirst = [...engines.keys()].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return newestFirst.sort((a, b) => Number(b === REFERENCE_VERSION) - Number(a === REFERENCE_VERSION));
}

/** The version to install where none is named: one that there is an engine for. */
export function preferredVersion(addons: Addons | undefined): string {
  return (addons && versionsOf(addons)[0]) ?? REFERENCE_VERSION;
}

/** node-gyp-build, with the rules of its `resolve` one by one. */
interface NodeGypBuild {
  resolve(root: string): string;
  parseTuple(folder: string): object | undefined;
  matchTuple(platform: string, arch: string): (tuple: object | undefined) => boolean;
  compareTuples(a: object, b: object): number;
  parseTags(file: string): { file: string } | undefined;
  matchTags(runtime: string, abi: string): (tags: object | undefined) => boolean;
  compareTags(runtime: string): (a: object, b: object) => number;
}
const nodeGypBuild = (): NodeGypBuild => require('node-gyp-build') as NodeGypBuild;

/** Finds the addon in its root. */
type Rule = (root: string) => string | undefined;

/**
 * The file in `root/prebuilds` for this platform, C library and runtime, by node-gyp-build's rules. Its own `resolve`
 * asks `root/build/Release` first, and in the end beside Node's program: in an installed package neither may win.
 */
const prebuilt: Rule = (root) => {
  const rules = nodeGypBuild();
  const prebuilds = join(root, 'prebuilds');
  const [folder] = namesIn(prebuilds)
    .map((name) => ({ name, tuple: rules.parseTuple(name) }))
    .filter(({ tuple }) => rules.matchTuple(process.platform, process.arch)(tuple))
    .sort((a, b) => rules.compareTuples(a.tuple!, b.tuple!));
  if (folder === undefined) return undefined;
  const runtime = process.versions['electron'] === undefined ? 'node' : 'electron';
  const [best] = namesIn(join(prebuilds, folder.name))
    .map((name) => rules.parseTags(name))
    .filter((tags) => rules.matchTags(runtime, process.versions.modules)(tags))
    .sort((a, b) => rules.compareTags(runtime)(a!, b!));
  return best && join(prebuilds, folder.name, best.file);
};

/** What a clone built: `root/build/Release`. */
const built: Rule = (root) => {
  try {
    return nodeGypBuild().resolve(root);
  } catch {
    return undefined;
  }
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Roots of engines and the LibTorch version of each: packaged ones, then built ones; newest version last. */
function engineRoots(packageRoot: string): { version: string; root: string; rule: Rule }[] {
  const roots: { version: string; root: string; rule: Rule }[] = [];
  for (const [folder, pattern, below, rule] of [
    [join(packageRoot, 'dist', 'addons'), /^engine-(\d+\.\d+\.\d+)$/, '', prebuilt],
    [join(packageRoot, '.build'), /^libtorch-(\d+\.\d+\.\d+)$/, 'engine', built],
  ] as const) {
    for (const name of namesIn(folder).sort()) {
      const version = pattern.exec(name)?.[1];
      if (version !== undefined) roots.push({ version, root: join(folder, name, below), rule });
    }
  }
  return roots;
}
