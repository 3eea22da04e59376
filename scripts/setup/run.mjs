import { spawn, spawnSync } from 'node:child_process';
import { ROOT } from './paths.mjs';
import { SetupError } from './step.mjs';

/** Runs a program to its end, silently; `output` holds everything that it printed. */
export function run(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? 1, signal, output }));
  });
}

/** As `run`, but a program that fails is a SetupError with its last lines; gives the output. */
export async function mustRun(program, args, options) {
  const { code, output } = await run(program, args, options);
  if (code !== 0) throw new SetupError(`${program} ${args[0]} failed:\n${tail(output, 40)}`);
  return output;
}

/** Runs a program that shares this terminal; gives its exit code. */
export function runShown(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: ROOT, stdio: 'inherit', ...options });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal === null ? code : 1));
  });
}

/** What `program --version` prints; undefined where the program is not there or does not work. */
export function versionOutput(program, args = []) {
  const { error, status, stdout } = spawnSync(program, [...args, '--version'], { encoding: 'utf8' });
  return error === undefined && status === 0 ? stdout : undefined;
}

/** The last lines of an output, for a message. */
export function tail(output, lines = 30) {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}

/** The first lines of an output: npm says first what is wrong. */
export function head(output, lines) {
  return output.trim().split('\n').slice(0, lines).join('\n');
}
