import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { findLibTorch } from '../setup/libtorch.mjs';
import { BUILD, ROOT } from '../setup/paths.mjs';
import { mustRun, run } from '../setup/run.mjs';
import { SetupError } from '../setup/step.mjs';
import { clangTool, ToolMissing } from './clang-tools.mjs';

const FOLDER = join(ROOT, '.build', 'lint');
const STAMPS = join(FOLDER, 'stamps');
/** The static analyser takes most of the time. */
const SLOW = '-clang-analyzer-*';
const LIBTORCH = /^(?:ATen|c10|torch)\//;

/**
 * clang-tidy over the engine. `all`: every source file with every check, tests and benchmarks too; otherwise those
 * without LibTorch's headers, and without the static analyser. What was sound before and has not changed is left out.
 * Gives the findings; of each file those that a compiler prints.
 */
export async function tidy({ all }) {
  const program = await clangTool('clang-tidy');
  const commands = all ? [...(await database(BUILD)), ...(await database(await configured()))] : await database(BUILD);
  const byFile = new Map();
  for (const command of commands) {
    const file = relative(ROOT, resolve(command.directory, command.file));
    // The kernels are compiled once for each instruction set: the last has the most of them.
    if (/^(?:native|test)\//.test(file)) byFile.set(file, { ...command, file: join(ROOT, file) });
  }
  const wanted = [...byFile.keys()].filter((file) => all || !usesLibTorch(file));
  if (wanted.length === 0) throw new ToolMissing('nothing was compiled yet');
  writeFileSync(join(FOLDER, 'compile_commands.json'), JSON.stringify([...byFile.values()]));
  const args = await argumentsOf(all);
  const version = await mustRun(program, ['--version']);
  const stampOf = (file, kind) => {
    const hash = createHash('sha256').update(`${version}\0${kind}\0${byFile.get(file).command}\0`);
    for (const used of [join(ROOT, '.clang-tidy'), ...closure(file)]) hash.update(readFileSync(used)).update('\0');
    return join(STAMPS, hash.digest('hex'));
  };
  mkdirSync(STAMPS, { recursive: true });
  const waiting = wanted.filter(
    (file) => !existsSync(stampOf(file, 'all')) && (all || !existsSync(stampOf(file, 'quick'))),
  );
  const findings = [];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const { code, output } = await run(program, [...args, file]);
      if (code === 0) writeFileSync(stampOf(file, all ? 'all' : 'quick'), '');
      else findings.push(output.replaceAll(/^\d+ warnings? .*\n/gm, '').trim());
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return { findings, files: wanted.length };
}

async function argumentsOf(all) {
  // GCC's omp.h; clang's own headers go before it.
  const headers = (await mustRun(process.env.CXX ?? 'c++', ['-print-file-name=include'])).trim();
  const args = ['-p', FOLDER, '--quiet', `--extra-arg=-idirafter${headers}`];
  return all ? args : [...args, `--checks=${SLOW}`];
}

async function database(folder) {
  mkdirSync(FOLDER, { recursive: true });
  const path = join(folder, 'compile_commands.json');
  if (!existsSync(path)) return [];
  // A precompiled header would bring LibTorch's headers into files that do not ask for them.
  return JSON.parse(readFileSync(path, 'utf8')).flatMap((entry) => {
    const command = entry.command.replaceAll(/ -include \S*cmake_pch\.hxx/g, '').replaceAll(' -Winvalid-pch', '');
    return sourcesOf(entry).map((file) => ({ ...entry, file, command: command.replaceAll(entry.file, file) }));
  });
}

/** Files that are compiled together are looked at one by one. */
function sourcesOf({ directory, file }) {
  if (!/\/Unity\/unity_\w+\.cxx$/.test(file)) return [file];
  const source = readFileSync(resolve(directory, file), 'utf8');
  return [...source.matchAll(/^#include "(\/[^"]+)"$/gm)].map(([, path]) => path);
}

/** The tests, benchmarks and the fuzzer, configured but not built. */
async function configured() {
  const libtorch = await findLibTorch({ headers: true });
  if (libtorch === undefined) throw new SetupError('There is no LibTorch with header files:', 'npm run setup');
  const folder = join(FOLDER, 'configured');
  const on = ['TESTS', 'BENCH', 'GPU', 'FUZZ'].map((name) => `-DVECTUNE_${name}=ON`);
  await mustRun('cmake', ['-S', ROOT, '-B', folder, `-DVECTUNE_LIBTORCH=${libtorch.root}`, ...on]);
  return folder;
}

const known = new Map();

/** The project's own files that a file includes, and those in angle brackets. */
function includes(file) {
  if (known.has(file)) return known.get(file);
  const found = { own: [], system: [] };
  for (const [, bracket, name] of readFileSync(file, 'utf8').matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)) {
    const places = [dirname(file), ...['native/engine', 'test/native'].map((folder) => join(ROOT, folder))];
    const path = places.map((place) => join(place, name)).find((candidate) => existsSync(candidate));
    if (bracket === '"' && path !== undefined) found.own.push(path);
    else found.system.push(name);
  }
  known.set(file, found);
  return found;
}

function closure(file, seen = new Set()) {
  const path = resolve(ROOT, file);
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const other of includes(path).own) closure(other, seen);
  return seen;
}

function usesLibTorch(file) {
  return [...closure(file)].some((path) => includes(path).system.some((name) => LIBTORCH.test(name)));
}
