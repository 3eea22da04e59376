// What these tests share. They run in plain Node on dist, because jest's module contexts hide faults of instanceof.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MODEL = join(ROOT, 'test', 'parity', 'fixtures', 'bert-dense', 'model');

export const pairs = Array.from({ length: 20 }, (_, i) =>
  i % 2 === 0 ? ['the old mill', 'the quiet mill'] : ['rain on the boats', 'who sells bread'],
);
export const scores = pairs.map((_, i) => Number(i % 2 === 0));

export const bits = (vectors) => vectors.map((vector) => Buffer.from(vector.buffer).toString('hex')).join(' ');

/** What a promise rejects with. */
export async function rejection(promise) {
  return promise.then(
    (value) => {
      throw new Error(`expected a rejection, but it resolved with ${value}`);
    },
    (error) => error,
  );
}

/** A folder that is there while `work` goes on. */
export async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-plain-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Paths of LibTorch's libraries and of vectune's addons that this process has mapped. */
export function mapped() {
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.slice(line.indexOf('/')));
  return [...new Set(paths.filter((path) => /libtorch|libc10|vectune\.node/.test(path)))];
}

/** Runs a program given as text in a Node of its own, from the repository's root. */
export function runNode(program, args = []) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args, '--input-type=module', '-e', program], { cwd: ROOT });
    const result = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => {
        result[name] += text;
      });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ ...result, code, signal }));
  });
}
