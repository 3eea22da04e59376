import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { EngineAddon, ModelHandle } from '../engine/addon';
import type { SaveFile } from '../engine/weight-files';
import type { CardFacts } from '../model/save/card';
import { makeModuleFolders, saveError, weightTargets } from '../model/save/save';
import { saveTarget } from '../model/save/save-target';
import type { OpenedModel } from '../model/types';
import { replaceFolder } from '../system/atomic-folder';
import { AbortError } from '../system/errors';
import type { ExportEvent } from './events';
import type { Format, WeightsOf } from './format';
import { GGUF } from './gguf/format';
import { ONNX } from './onnx/format';
import type { ExportFormat, ExportPrecision } from './options';
import { planOf, type EncoderPlan } from './plans';
import { Weights } from './weights';

/** What was exported. */
export interface ExportReport {
  /** The folder's absolute path. */
  folder: string;
  /** Graphs and weights, by their paths in the folder. */
  files: {
    /** Below the folder, with `/`. */
    path: string;
    /** Its size. */
    bytes: number;
  }[];
  /** What the export does otherwise than the model, for people to read. */
  notes: string[];
}

export interface ExportRequest {
  format: ExportFormat;
  opened: OpenedModel;
  addon: Pick<EngineAddon, 'saveModel'>;
  handle: ModelHandle;
  target: string;
  precisions: readonly ExportPrecision[];
  /** What is known of the training, asked when the weights are written. */
  card: () => CardFacts;
  signal: AbortSignal;
  onProgress?: ((event: ExportEvent) => void) | undefined;
  /** For tests: more bytes of weights than this lie in files of their own. */
  mostInline?: number;
}

const FORMATS: Readonly<Record<ExportFormat, Format>> = { onnx: ONNX, gguf: GGUF };

/** Where weights lie that are not kept: those of the encoder, and of modules that the format says otherwise. */
const ASIDE = '.weights';

/**
 * Writes a model in a form that other programs run: aside, flushed to disk, then renamed into place. An export that is there
 * already is replaced; on any failure it is there as it was. The weights are those of one moment, and pass through memory in
 * pieces.
 *
 * @throws ModelError ERR_EXPORT: the format cannot say the model; ERR_SAVE_TARGET: something else is there, as the weights
 *   of a model; FileError; AbortError; the engine's errors.
 */
export async function exportModel(request: ExportRequest): Promise<ExportReport> {
  const { opened, signal, onProgress } = request;
  const format = FORMATS[request.format];
  const plan = planOf(opened.spec.encoder, format.name);
  const write = await format.prepare(opened, plan);
  const place = await saveTarget(request.target, format.replaces);
  const report: ExportReport = { folder: place, files: [], notes: await format.notes(opened) };
  const check = () => {
    if (signal.aborted) throw new AbortError('ERR_ABORTED', 'The export was stopped.', { cause: signal.reason });
  };
  try {
    await replaceFolder(place, async (folder) => {
      check();
      const kept = format.keepsModules(opened);
      if (kept) await makeModuleFolders(opened, folder);
      await mkdir(join(folder, ASIDE));
      const targets = weightTargets(opened, folder).map(({ module, path }) => ({
        module,
        path: kept && module !== 'encoder' ? path : join(folder, ASIDE, `${module}.safetensors`),
      }));
      await request.addon.saveModel(request.handle, targets);
      const card = request.card();
      const files = await withWeights(targets, plan, (weights) =>
        write({
          ...request,
          plan,
          folder,
          weights,
          card,
          onBytes: (file, writtenBytes, totalBytes) => {
            check();
            onProgress?.({ type: 'exporting', file, writtenBytes, totalBytes });
          },
        }),
      );
      await rm(join(folder, ASIDE), { recursive: true });
      for (const path of files) report.files.push({ path, bytes: (await stat(join(folder, path))).size });
      check();
    });
  } catch (error) {
    throw saveError(error, place);
  }
  return report;
}

/** Does `work` with the weights of each module that were written, those of the encoder under the plan's names. */
async function withWeights<T>(
  files: readonly SaveFile[],
  plan: EncoderPlan,
  work: (weights: WeightsOf) => Promise<T>,
): Promise<T> {
  const former = plan.kind === 'transformer' ? plan.former : undefined;
  const weights = new Map<'encoder' | number, Weights>();
  try {
    for (const { module, path } of files)
      weights.set(module, await Weights.open(path, module === 'encoder' ? former : undefined));
    return await work(weights);
  } finally {
    for (const one of weights.values()) await one.close();
  }
}
