// A clean room: an empty project folder, an empty home, and a PATH with Node, npm and a shell, and nothing else.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const HERE = dirname(fileURLToPath(import.meta.url));
export const MODEL = join(ROOT, 'test', 'parity', 'fixtures', 'bert-dense', 'model');
/** What docs/server.md has one install before serving. */
export const SERVER_PACKAGES = ['fastify@5', 'prom-client@15', 'zod@4'];
const PROGRAMS = ['node', 'npm', 'npx', 'sh', 'env'];
export const TOOLS = [
  'cc',
  'gcc',
  'c++',
  'g++',
  'clang',
  'clang++',
  'make',
  'ninja',
  'cmake',
  'python',
  'python3',
  'pip',
];

/** Runs a program to its end; never rejects for what the program did. */
export function run(program, args, options = {}) {
  return new Promise((done, reject) => {
    execFile(program, args, { maxBuffer: 1 << 26, ...options }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code === 'string') reject(error);
      else done({ code: error === null ? 0 : (error.code ?? error.signal), stdout, stderr });
    });
  });
}

/** As `run`, for what must succeed; gives what it printed. */
export async function mustRun(program, args, options) {
  return printed(program, args, await run(program, args, options));
}

function printed(program, args, { code, stdout, stderr }) {
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}

export class Room {
  constructor() {
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'vectune-room-')));
    this.bin = join(this.folder, 'bin');
    this.home = join(this.folder, 'home');
    this.project = join(this.folder, 'project');
    for (const folder of [this.bin, this.home, this.project]) mkdirSync(folder);
    for (const name of PROGRAMS) this.bring(name);
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Puts a program of this machine on the room's PATH. */
  bring(name, path = name === 'node' ? process.execPath : find(name, process.env.PATH)) {
    if (path === undefined) throw new Error(`${name} is not on this machine`);
    symlinkSync(realpathSync(path), join(this.bin, name));
  }

  /** Python itself, where what the session calls so is a script that looks for it. */
  async bringPython() {
    this.bring('python3', (await mustRun('python3', ['-c', 'import sys; print(sys.executable)'])).trim());
  }

  has(name) {
    return find(name, this.environment().PATH) !== undefined;
  }

  /** Where to find things, and nothing of this session's own. */
  environment(more = {}) {
    return { PATH: this.bin, HOME: this.home, TMPDIR: process.env.TMPDIR ?? tmpdir(), CI: '1', ...more };
  }

  /** Runs one of the room's programs, or the one of an absolute path. */
  run(program, args, { env, ...options } = {}) {
    return run(resolve(this.bin, program), args, { cwd: this.project, env: this.environment(env), ...options });
  }

  /** One of the room's programs that goes on: `said` waits for what it prints, `end` ends it. */
  start(program, args, { env, cwd = this.project } = {}) {
    const child = spawn(resolve(this.bin, program), args, { cwd, env: this.environment(env) });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
    const ended = once(child, 'exit');
    return {
      async said(pattern) {
        for (;;) {
          const found = pattern.exec(output)?.[0];
          if (found !== undefined) return found;
          if (child.exitCode !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode}:\n${output}`);
          await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended]);
        }
      },
      async end() {
        child.kill();
        await ended;
      },
    };
  }

  async mustRun(program, args, options) {
    return printed(program, args, await this.run(program, args, options));
  }

  /** Puts one of test/package/programs in the project. */
  program(name) {
    const path = join(this.project, name);
    copyFileSync(join(HERE, 'programs', name), path);
    return path;
  }

  /** `npm install` of a package, or of several, without scripts; npm is told what this machine's npm knows: its registry and its cache. */
  async install(what, project = this.project) {
    mkdirSync(project, { recursive: true });
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true }));
    return this.add(what, project);
  }

  /** The same in a project that has packages. */
  async add(what, project) {
    const config = {
      npm_config_userconfig: process.env.npm_config_userconfig ?? join(homedir(), '.npmrc'),
      npm_config_cache: (await mustRun('npm', ['config', 'get', 'cache'])).trim(),
      ...named(/^(?:https?|no)_proxy$/i),
    };
    const args = ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', ...[what].flat()];
    return this.mustRun('npm', args, { cwd: project, env: config });
  }

  /** What pip of this machine knows: its index and its cache. */
  pipEnvironment() {
    const files = [join(homedir(), '.config', 'pip', 'pip.conf'), join(homedir(), '.pip', 'pip.conf')];
    const file = files.find((path) => existsSync(path));
    return { ...(file && { PIP_CONFIG_FILE: file }), ...named(/^(?:PIP_\w+|(?:https?|no)_proxy)$/i) };
  }

  /** Runs a script in the project that prints JSON as its last line; `node` is another Node's program. */
  async tell(script, args, { node = 'node', ...options } = {}) {
    const output = await this.mustRun(node, [script, ...args], options);
    return JSON.parse(output.trimEnd().split('\n').at(-1));
  }
}

/** Variables of this session's environment. */
function named(pattern) {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => pattern.test(name)));
}

function find(name, path) {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}

/**
 * Packs what this clone has built, or takes the tarball that VECTUNE_TARBALL names; gives it and the LibTorch versions
 * of its engines.
 */
export async function packBuilt(out) {
  let tarball = process.env.VECTUNE_TARBALL;
  if (!tarball) {
    await mustRun(process.execPath, [join(ROOT, 'scripts', 'pack.mjs'), '--built', '--out', out], { cwd: ROOT });
    tarball = join(
      out,
      readdirSync(out).find((name) => name.endsWith('.tgz')),
    );
  }
  const list = await mustRun('tar', ['-tzf', tarball]);
  const versions = [...list.matchAll(/engine-(\d+\.\d+\.\d+)\//g)].map(([, version]) => version);
  return { tarball, versions: [...new Set(versions)] };
}

/** The folder of the LibTorch that this clone uses. */
export async function libtorchRoot() {
  if (process.env.VECTUNE_LIBTORCH) return process.env.VECTUNE_LIBTORCH;
  const cli = join(ROOT, 'dist', 'cli', 'main.js');
  return (await mustRun(process.execPath, [cli, 'libtorch', 'path'])).trim();
}

/** A room with the package in it, packed in a folder of its own; `remove` takes both away. */
export async function roomWithPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-package-'));
  const room = new Room();
  const remove = () => {
    room.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { tarball, versions } = await packBuilt(folder);
    await room.install(tarball);
    return { room, tarball, versions, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
