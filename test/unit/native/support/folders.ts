import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const made: string[] = [];

/** A new empty folder; `removeFolders` removes it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-native-'));
  made.push(folder);
  return folder;
}

export function removeFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

export function writeTree(folder: string, files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
}

/** Files of a LibTorch, with nothing in them, as a wheel lays them out below `torch`. */
export function torchFiles(version: string, headers = false): Record<string, string> {
  return {
    'lib/libtorch_cpu.so': 'cpu',
    'lib/libc10.so': 'c10',
    'version.py': `__version__ = '${version}'\ncuda = None\n`,
    ...(headers && { 'include/ATen/core/Tensor.h': '#pragma once\n' }),
  };
}

export function writeTorch(folder: string, version: string, headers = false): void {
  writeTree(folder, torchFiles(version, headers));
}
