import { fromNative } from '../../../../lib/system/errors';
import { openModel } from '../../../../lib/model/open';
import type { OpenedModel } from '../../../../lib/model/types';
import type { EngineAddon, ModelHandle } from '../../../../lib/engine/addon';
import { loadEngine } from '../../../../lib/engine/load';
import { TEXTS } from './fixture';

/** Runs `work` with the model in the engine. */
export async function inEngine<T>(
  opened: OpenedModel,
  work: (addon: EngineAddon, handle: ModelHandle) => Promise<T>,
): Promise<T> {
  const addon = await loadEngine();
  const handle = await addon.createModel(opened.spec, opened.weightFiles, 0).catch((error: unknown) => {
    throw fromNative(error);
  });
  try {
    return await work(addon, handle);
  } finally {
    addon.disposeModel(handle);
  }
}

/** A vector for each of TEXTS. `toEqual` compares numbers with Object.is, so equal lists are bitwise equal vectors. */
export async function vectorsOf(opened: OpenedModel): Promise<number[][]> {
  const { ids, offsets } = await opened.tokeniser.encode(TEXTS, opened.maxInputLength);
  const flat = await inEngine(opened, (addon, handle) => addon.embed(handle, ids, offsets, 'fp32'));
  return TEXTS.map((_, i) => Array.from(flat.subarray(i * opened.dimension, (i + 1) * opened.dimension)));
}

export async function folderVectors(folder: string): Promise<number[][]> {
  return vectorsOf(await openModel(folder));
}
