import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TextVectorisation, type TextVectorisationOptions } from '../../lib';
import type { EngineAddon } from '../../lib/engine/addon';
import { loadEngine } from '../../lib/engine/load';
import { freed, type CaseName } from '../parity/cases';

/** Texts by which a model is known again, to the bit. */
export const PROBE_TEXTS = ['the old stone bridge', 'rain fell on the boats', 'nobody remembers', ''];

/** Folder of a tiny model of the parity tests; never written to. */
export function fixture(name: CaseName): string {
  return join(__dirname, '..', 'parity', 'fixtures', name, 'model');
}

/** All numbers of vectors as one text: equal where every bit is. */
export function bits(vectors: readonly Float32Array[]): string {
  return vectors.map((v) => Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('hex')).join(' ');
}

/** ‖a − b‖ / ‖b‖; NaN anywhere gives NaN, which no tolerance accepts. */
export function relativeDistance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const length = (vector: Float32Array) => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length(a.map((value, i) => value - b[i]!)) / length(b);
}

/** Exact counts of native objects, once what was disposed is freed. */
export async function liveObjects(): Promise<ReturnType<EngineAddon['liveObjects']>> {
  const addon = await loadEngine();
  await freed(addon);
  return addon.liveObjects();
}

/** Models and folders of one test file; each test's are disposed and removed after it. */
export class Models {
  #opened: TextVectorisation[] = [];
  #folder: string | undefined;

  open(source: string, options?: TextVectorisationOptions): TextVectorisation {
    const model = new TextVectorisation(source, options);
    this.#opened.push(model);
    return model;
  }

  /** A path in a temporary folder. */
  path(...names: string[]): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'vectune-public-'));
    return join(this.#folder, ...names);
  }

  /** A copy of a fixture, to change. */
  copy(name: CaseName, as = 'copy'): string {
    const folder = this.path(as);
    cpSync(fixture(name), folder, { recursive: true });
    return folder;
  }

  write(name: string, content: string | Buffer): string {
    const file = this.path(name);
    writeFileSync(file, content);
    return file;
  }

  async clear(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((model) => model.dispose()));
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

export function useModels(): Models {
  const models = new Models();
  afterEach(() => models.clear());
  return models;
}

/** Changes a JSON file in place. */
export function editJson<T>(file: string, change: (value: T) => void): void {
  const value = JSON.parse(readFileSync(file, 'utf8')) as T;
  change(value);
  writeFileSync(file, JSON.stringify(value));
}
