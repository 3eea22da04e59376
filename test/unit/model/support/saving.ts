import { openModel } from '../../../../lib/model/open';
import { saveModel } from '../../../../lib/model/save/save';
import type { CardFacts } from '../../../../lib/model/save/card';
import type { OpenedModel } from '../../../../lib/model/types';
import { inEngine } from './engine';

/** Opens the model in `source` and saves it at `target`. */
export async function resave(source: string, target: string, card?: CardFacts): Promise<string> {
  return save(await openModel(source), target, card);
}

export function save(opened: OpenedModel, target: string, card?: CardFacts): Promise<string> {
  return inEngine(opened, (addon, handle) => saveModel(opened, addon, handle, target, () => card ?? {}));
}
