import { cpSync, lstatSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { CaseName } from '../../../parity/cases';
import { temporaryFolder } from '../../native/support/folders';

export type Json = Record<string, unknown>;

const FIXTURES = join(__dirname, '../../../parity/fixtures');

export function fixtureFolder(name: CaseName): string {
  return join(FIXTURES, name, 'model');
}

/** A copy of a fixture's model folder, to be changed. */
export function copyFixture(name: CaseName): string {
  const folder = join(temporaryFolder(), name);
  cpSync(fixtureFolder(name), folder, { recursive: true });
  return folder;
}

/** Texts that the fixtures' vocabularies know, the empty one among them. */
export const TEXTS = (JSON.parse(readFileSync(join(FIXTURES, 'bert-mean', 'case.json'), 'utf8')) as { texts: string[] })
  .texts;

export function readJson<T = Json>(...path: string[]): T {
  return JSON.parse(readFileSync(join(...path), 'utf8')) as T;
}

export function writeJson(value: unknown, ...path: string[]): void {
  writeFileSync(join(...path), `${JSON.stringify(value, null, 2)}\n`);
}

/** Sets fields of a JSON file; one that is undefined is taken out. */
export function setFields(fields: Json, ...path: string[]): void {
  writeJson({ ...readJson<Json>(...path), ...fields }, ...path);
}

/** What lies below a folder: files by their SHA-256, folders, and links by where they lead. */
export function treeOf(folder: string): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const info = lstatSync(path);
    if (info.isSymbolicLink()) tree[name] = `-> ${readlinkSync(path)}`;
    else if (!info.isDirectory()) tree[name] = sha256(readFileSync(path));
    else {
      tree[name] = 'folder';
      for (const [inner, what] of Object.entries(treeOf(path))) tree[`${name}/${inner}`] = what;
    }
  }
  return tree;
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
