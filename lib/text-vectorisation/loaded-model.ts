import { Embedder } from '../embed/embedder';
import type { EngineAddon, ModelHandle } from '../engine/addon';
import type { EmbeddingPrecision, NativeDevice } from '../engine/compute';
import { chooseDevice, choosePrecision } from '../engine/devices';
import { loadEngine } from '../engine/load';
import { openModel } from '../model/open';
import { unclaimedNotes } from '../model/unclaimed-tensors';
import type { ModelPreset, OpenedModel } from '../model/types';
import { fromNative } from '../system/errors';
import type { ResolvedOf } from '../system/option-table';
import type { textVectorisationTable } from '../text-vectorisation-options';
import { prepareTokenizers } from '../tokenisation/tokeniser';

/** What the rooms above may use of a model that is loaded. */
export interface LoadedModel {
  addon: EngineAddon;
  handle: ModelHandle;
  opened: OpenedModel;
  embedder: Embedder;
}

type Options = ResolvedOf<typeof textVectorisationTable>;

/** Fetches the model where it is not in the cache, reads it and loads LibTorch. `closing` stops it, as the option `signal` does. */
export async function loadModel(
  source: string | ModelPreset,
  options: Options,
  closing: AbortSignal,
): Promise<LoadedModel> {
  const {
    libtorch,
    installLibTorch,
    precision: _precision,
    device,
    memoryFraction: _memoryFraction,
    signal: stop,
    onProgress,
    ...where
  } = options;
  const signal = stop === undefined ? closing : AbortSignal.any([stop, closing]);
  prepareTokenizers();
  // Together: LibTorch is read from disk while the model's folder is. A failure of one does not wait for the other.
  const [opened, addon] = await Promise.all([
    openModel(source, { ...where, onProgress, signal }),
    loadEngine({ libtorch, consent: installLibTorch, cuda: device !== 'cpu', onEvent: onProgress, signal }),
  ]);
  const place = await choosePlace(options, addon);
  const handle = await addon.createModel(opened.spec, opened.weightFiles, 0);
  opened.layout.notes.push(...unclaimedNotes(addon.unusedTensors(handle)));
  return { addon, handle, opened, embedder: new Embedder({ ...opened, addon, handle }, ...place) };
}

/** A model whose weights are there already; where it cannot be placed, it is freed. */
export async function placeModel(
  options: Options,
  addon: EngineAddon,
  handle: ModelHandle,
  opened: OpenedModel,
): Promise<LoadedModel> {
  try {
    const place = await choosePlace(options, addon);
    return { addon, handle, opened, embedder: new Embedder({ ...opened, addon, handle }, ...place) };
  } catch (error) {
    addon.disposeModel(handle);
    opened.tokeniser.close();
    throw fromNative(error);
  }
}

/** Precision and device of `embed`; tells which. */
async function choosePlace(
  { precision, device, memoryFraction, onProgress }: Options,
  addon: EngineAddon,
): Promise<[EmbeddingPrecision, NativeDevice]> {
  const chosen = await chooseDevice(device, memoryFraction, addon);
  const chosenPrecision = choosePrecision(precision, chosen, addon);
  onProgress?.({ type: 'device', device: chosen.device, gpu: chosen.gpu, message: chosen.message });
  return [chosenPrecision, chosen.device];
}
