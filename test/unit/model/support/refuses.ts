import { join } from 'node:path';
import { ModelError, type ModelErrorCode } from '../../../../lib/system/errors';
import { openModel } from '../../../../lib/model/open';
import type { CaseName } from '../../../parity/cases';
import { inEngine } from './engine';
import { copyFixture, setFields, treeOf, type Json } from './fixture';
import { rejection } from './rejection';

export interface Refusal {
  title: string;
  /** Makes the folder bad. */
  change: (folder: string) => void;
  code: ModelErrorCode;
  /** Path in the folder that the error names; '' is the folder itself. */
  file: string;
  message: RegExp;
}

/** Opens the folder and reads its weights, as the first use of a model does. */
export async function load(folder: string): Promise<void> {
  await inEngine(await openModel(folder), () => Promise.resolve());
}

/** A test for each way to make the fixture's folder bad: what is said of it, and that nothing is written. */
export function refuses(fixture: CaseName, cases: readonly Refusal[]): void {
  test.each(cases)('$title', async ({ change, code, file, message }) => {
    const folder = copyFixture(fixture);
    change(folder);
    const before = treeOf(folder);
    const error = await rejection(load(folder), ModelError, code);
    expect(error.message).toContain(join(folder, file));
    expect(error.message).toMatch(message);
    // The engine's errors name the file in their message only.
    if (code !== 'ERR_SAFETENSORS') expect(error.file).toBe(join(folder, file));
    expect(treeOf(folder)).toEqual(before);
  });
}

/** Sets fields of one of the folder's JSON files. */
export const set =
  (path: string, fields: Json) =>
  (folder: string): void =>
    setFields(fields, folder, path);
