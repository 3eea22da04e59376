import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const programs = join(__dirname, 'programs');

/** Longer than any program takes on a busy machine; one that hangs is killed, which its signal then tells. */
export const PATIENCE_MS = 50_000;

/** Runs a program of test/lifetime/programs in plain Node, as a process of its own. */
export function runProgram(
  name: string,
  args: readonly string[] = [],
  nodeOptions: readonly string[] = [],
  environment: NodeJS.ProcessEnv = {},
  patienceMs = PATIENCE_MS,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const child = spawn(process.execPath, [...nodeOptions, join(programs, name), ...args], {
      env: { ...env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: patienceMs,
      killSignal: 'SIGKILL',
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** What a program's source matches, so that a table of its scenarios is known to be whole. */
export function inProgram(name: string, pattern: RegExp): string[] {
  return [...readFileSync(join(programs, name), 'utf8').matchAll(pattern)].map((match) => match[1]!).sort();
}
