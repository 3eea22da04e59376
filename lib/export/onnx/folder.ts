import type { ExportPrecision } from '../options';
import type { JsonObject } from '../../system/json';

/** What transformers.js 4 and sentence-transformers 6 look for in a folder with ONNX graphs. */

/** The graph of each precision, and transformers.js' `dtype` of it. */
export const GRAPHS: Readonly<Record<ExportPrecision, { file: string; dtype: string }>> = {
  fp32: { file: 'model.onnx', dtype: 'fp32' },
  fp16: { file: 'model_fp16.onnx', dtype: 'fp16' },
  int8: { file: 'model_quantized.onnx', dtype: 'q8' },
};

/**
 * config.json with what transformers.js must know: how many files of weights a graph has beside it, and which precision
 * is meant where none is asked for and there is no fp32.
 */
export function withRuntimeConfig(
  config: JsonObject,
  precisions: readonly ExportPrecision[],
  files: ReadonlyMap<string, readonly string[]>,
): JsonObject {
  const external = [...files].filter(([, weights]) => weights.length > 0).map(([file, { length }]) => [file, length]);
  const own = {
    ...(precisions.includes('fp32') ? {} : { dtype: GRAPHS[precisions[0]!].dtype }),
    ...(external.length === 0 ? {} : { use_external_data_format: Object.fromEntries(external) as JsonObject }),
  };
  const { 'transformers.js_config': _, ...rest } = config;
  return Object.keys(own).length === 0 ? rest : { ...rest, 'transformers.js_config': own };
}
