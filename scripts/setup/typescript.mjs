import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DIST, packageJson, ROOT } from './paths.mjs';
import { run, tail } from './run.mjs';
import { hashOf, isStamped, stamp, unstamp } from './stamp.mjs';
import { SetupError } from './step.mjs';

const require = createRequire(import.meta.url);

function sourcesHash() {
  return hashOf(['lib', 'tsconfig.json', 'package.json', 'package-lock.json']);
}

export function typeScriptIsCompiled(hash = sourcesHash()) {
  return isStamped('typescript', hash) && existsSync(join(DIST, 'index.js'));
}

/** Gives the JavaScript of a source, without a check of types: a tenth of a second. `root` is a checkout. */
export function transpiler(root) {
  const ts = require('typescript');
  const { options } = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), { sourceMap: false }, ts.sys);
  const [lib, dist] = [join(root, 'lib'), join(root, basename(DIST))];
  return (file) => {
    const source = readFileSync(file, 'utf8');
    const target = join(dist, file.slice(lib.length)).replace(/\.ts$/, '.js');
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, ts.transpileModule(source, { fileName: file, compilerOptions: options }).outputText);
    return ts.preProcessFile(source).importedFiles.map(({ fileName }) => fileName);
  };
}

/**
 * Gives `entry` (its path in lib without ending) and all that it imports their JavaScript at once: the same code that
 * `compileTypeScript` gives it later, in a tenth of the time.
 */
export function transpile(entry) {
  const transpileFile = transpiler(ROOT);
  const done = new Set();
  const waiting = [join(ROOT, 'lib', `${entry}.ts`)];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (done.has(file)) continue;
    done.add(file);
    for (const name of transpileFile(file)) if (name.startsWith('.')) waiting.push(`${join(dirname(file), name)}.ts`);
  }
}

/** Compiles lib to dist where it changed, and writes the ES module that names the same exports. */
export async function compileTypeScript() {
  const hash = sourcesHash();
  if (typeScriptIsCompiled(hash)) return undefined;
  unstamp('typescript');
  const { code, output } = await run(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', ROOT]);
  if (code !== 0) throw new SetupError(`TypeScript found errors in lib:\n${tail(output)}`);
  removeOrphans('');
  writeModules();
  stamp('typescript', hash);
  return 'lib compiled to dist';
}

/** Files of sources that are no more would still be found by `require`. Addons do not come from TypeScript. */
function removeOrphans(folder) {
  for (const entry of readdirSync(join(DIST, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (path !== 'addons') removeOrphans(path);
      continue;
    }
    const source = path.replace(/(?:\.d\.ts|\.js)(?:\.map)?$/, '.ts');
    if (source !== path && !existsSync(join(ROOT, 'lib', source))) rmSync(join(DIST, path));
  }
}

/**
 * For each entry that package.json exports, the ES module beside its CommonJS module. Node finds most names of a CommonJS
 * module by itself, but not those that are re-exported.
 */
function writeModules() {
  const entries = new Set();
  for (const { import: esm, require: cjs } of Object.values(packageJson().exports)) {
    if (esm === undefined) continue;
    const [commonJs, module] = [join(ROOT, cjs.default), join(ROOT, esm.default)];
    for (const file of [module, typesOf(module)]) entries.add(file);
    if (OF_ITS_OWN.includes(basename(commonJs, '.js'))) writeOwnModule(commonJs, module);
    else writeModule(commonJs, module);
  }
  // An entry that is no more would still be imported by its path.
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath ?? entry.path, entry.name);
    if (/\.m(?:js|ts)$/.test(file) && !entries.has(file)) rmSync(file);
  }
}

const typesOf = (module) => module.replace(/\.mjs$/, '.d.mts');

/** Entries with a class that extends one of another package: as an ES module it must extend that of the ES module there. */
const OF_ITS_OWN = ['langchain'];

/** The source as an ES module; what it imports of vectune's is the CommonJS modules beside it. */
function writeOwnModule(commonJs, module) {
  const ts = require('typescript');
  const name = basename(commonJs, '.js');
  const source = readFileSync(join(ROOT, 'lib', `${name}.ts`), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 };
  writeFileSync(module, withEndings(ts.transpileModule(source, { compilerOptions }).outputText));
  const types = readFileSync(commonJs.replace(/\.js$/, '.d.ts'), 'utf8');
  const own = withEndings(types.replace(/^\/\/# sourceMappingURL.*$/m, ''));
  writeFileSync(typesOf(module), `${own.trimEnd()}\n`);
}

/** An ES module names the files that it imports by their endings. */
function withEndings(code) {
  return code.replaceAll(/( from |\bimport\()(['"])(\.[^'"]*)\2/g, '$1$2$3.js$2');
}

function writeModule(commonJs, module) {
  delete require.cache[commonJs];
  const names = Object.keys(require(commonJs)).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name) && name !== 'default');
  const lines = names.map((name) => `export const ${name} = vectune.${name};`);
  const beside = `./${basename(commonJs)}`;
  writeFileSync(module, [`import vectune from '${beside}';`, '', ...lines, ''].join('\n'));
  // For `import`, as the .d.ts is for `require`.
  writeFileSync(typesOf(module), `export * from '${beside}';\n`);
}
