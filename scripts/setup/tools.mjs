import { readFileSync } from 'node:fs';
import { versionOutput } from './run.mjs';
import { SetupError } from './step.mjs';

const NODE_MAJOR = 20;
const CMAKE = [3, 22];
/** The first that compile C++20 as the engine uses it. */
const COMPILERS = { gcc: 11, clang: 14 };

/** How the systems' package managers call what is needed. */
const INSTALL = {
  apt: { command: 'sudo apt-get install', compiler: 'g++', cmake: 'cmake', make: 'make', pip: 'python3-pip' },
  dnf: { command: 'sudo dnf install', compiler: 'gcc-c++', cmake: 'cmake', make: 'make', pip: 'python3-pip' },
  zypper: { command: 'sudo zypper install', compiler: 'gcc-c++', cmake: 'cmake', make: 'make', pip: 'python3-pip' },
  pacman: { command: 'sudo pacman -S', compiler: 'gcc', cmake: 'cmake', make: 'make', pip: 'python-pip' },
};

/** @throws SetupError: this Node or system cannot run vectune. */
export function checkNode() {
  const [major] = process.versions.node.split('.').map(Number);
  if (major < NODE_MAJOR) {
    throw new SetupError(
      `vectune needs Node ${NODE_MAJOR} or newer; this is Node ${process.versions.node}. Install a newer one, e.g.:`,
      `nvm install ${NODE_MAJOR}`,
    );
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new SetupError(`vectune is built on linux-x64; this is ${process.platform}-${process.arch}.`);
  }
}

/** @throws SetupError: names every tool of the build that is missing or too old, and the command that mends it. */
export function checkBuildTools(environment = process.env) {
  const wrong = [];
  const packages = [];
  const need = (what, name) => {
    if (what === undefined) return;
    wrong.push(what);
    packages.push(name);
  };
  need(wrongCompiler(environment), 'compiler');
  need(wrongCMake(), 'cmake');
  if (versionOutput('ninja') === undefined && versionOutput('make') === undefined) need('Make (or Ninja)', 'make');
  if (wrong.length > 0) throw missingTools(`To build its addon, vectune needs ${inWords(wrong)}.`, packages);
}

/** How pip is called on this machine; undefined where there is none. */
export function pipCommand() {
  const pips = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];
  return pips.find(([program, ...args]) => versionOutput(program, args) !== undefined);
}

/** @throws SetupError: there is no pip, through which LibTorch comes. */
export function checkPip() {
  if (pipCommand() !== undefined) return;
  throw missingTools(
    'LibTorch comes through pip, and there is none on this machine. Install it, or set VECTUNE_LIBTORCH to the ' +
      'folder of a LibTorch with header files.',
    ['pip'],
  );
}

function wrongCompiler(environment) {
  const wanted = `a C++20 compiler (GCC ${COMPILERS.gcc} or newer, Clang ${COMPILERS.clang} or newer)`;
  const names = environment.CXX ? [environment.CXX] : ['c++', 'g++', 'clang++'];
  for (const name of names) {
    const output = versionOutput(name);
    if (output === undefined) continue;
    const kind = /clang/i.test(output) ? 'clang' : 'gcc';
    const major = Number(/(\d+)\.\d+(?:\.\d+)?/.exec(output)?.[1]);
    return major >= COMPILERS[kind] ? undefined : `${wanted}, and ${name} is version ${major}`;
  }
  return environment.CXX ? `${wanted}, and CXX names ${environment.CXX}, which is not there` : wanted;
}

function wrongCMake() {
  const wanted = `CMake ${CMAKE.join('.')} or newer`;
  const output = versionOutput('cmake');
  if (output === undefined) return wanted;
  const [, major, minor] = /(\d+)\.(\d+)/.exec(output) ?? [];
  const enough = Number(major) > CMAKE[0] || (Number(major) === CMAKE[0] && Number(minor) >= CMAKE[1]);
  return enough ? undefined : `${wanted}, and this is CMake ${major}.${minor}`;
}

function missingTools(sentence, packages) {
  const manager = packageManager();
  const names = packages.map((name) => manager[name]).join(' ');
  const command = process.getuid?.() === 0 ? manager.command.replace('sudo ', '') : manager.command;
  return new SetupError(`${sentence} Install ${packages.length > 1 ? 'them' : 'it'} by:`, `${command} ${names}`);
}

/** By the distribution's own description of itself; Debian's where it has none. */
function packageManager() {
  let release;
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return INSTALL.apt;
  }
  const ids = /^ID(?:_LIKE)?=.*$/gm;
  const words = (release.match(ids) ?? []).join(' ');
  if (/fedora|rhel|centos/.test(words)) return INSTALL.dnf;
  if (/suse/.test(words)) return INSTALL.zypper;
  if (/arch/.test(words)) return INSTALL.pacman;
  return INSTALL.apt;
}

function inWords(list) {
  return list.length === 1 ? list[0] : `${list.slice(0, -1).join(', ')} and ${list.at(-1)}`;
}
