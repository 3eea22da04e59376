import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { cacheRoot } from '../system/cache-root';
import type { TextVectorisation } from '../text-vectorisation';

/** Where a model was saved, and why not where it was to be. */
export interface SavedModel {
  folder: string;
  failure: Error | null;
}

/**
 * Saves a trained model; where that fails (a disk that became full, a folder that is gone), in a folder of its own in
 * vectune's cache, in the system's folder for temporary files, or here: weights that took hours are not lost.
 *
 * @throws the first failure, where no place takes it
 */
export async function saveModel(tv: Pick<TextVectorisation, 'save'>, out: string): Promise<SavedModel> {
  try {
    return { folder: await tv.save(out), failure: null };
  } catch (failure) {
    const name = `${basename(resolve(out)) || 'model'}-${new Date().toISOString().replaceAll(/[-:]|\.\d+Z$/g, '')}`;
    for (const place of [join(cacheRoot(), 'unsaved'), tmpdir(), process.cwd()]) {
      try {
        return { folder: await tv.save(join(place, name)), failure: failure as Error };
      } catch {
        // The next one, then.
      }
    }
    throw failure;
  }
}
