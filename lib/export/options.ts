import { invalidOption } from '../system/options';
import { callback, custom, optional, signal, signalNames, type OptionsOf } from '../system/option-table';
import type { ExportEvent } from './events';

/** Forms in which other programs run a model. */
export const EXPORT_FORMATS = ['onnx', 'gguf'] as const;
/** 'onnx' or 'gguf'. */
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const EXPORT_PRECISIONS = ['fp32', 'fp16', 'int8'] as const;
/** In what weights are written. */
export type ExportPrecision = (typeof EXPORT_PRECISIONS)[number];

const precisions = custom<ExportPrecision | readonly ExportPrecision[], ExportPrecision[]>(
  'names',
  (path, value): ExportPrecision[] => {
    const list = [...new Set<unknown>(Array.isArray(value) ? value : [value])];
    const known = (one: unknown): one is ExportPrecision => EXPORT_PRECISIONS.includes(one as ExportPrecision);
    if (list.length > 0 && list.every(known)) return list;
    throw invalidOption(path, `${EXPORT_PRECISIONS.map((one) => `'${one}'`).join(', ')} or a list of these`, value);
  },
);

export const exportTable = {
  /**
   * In what the weights are written, one kind or several beside each other. 'fp32'; 'fp16', half as large; 'int8', a quarter:
   * in ONNX what is multiplied is quantised as it comes, in GGUF it is Q8_0. Default 'fp32'.
   */
  precision: optional(precisions, ['fp32'] as ExportPrecision[], {
    flag: '--precision <kind>',
    help: 'fp32, fp16 or int8, or several as fp32,int8',
    unset: 'fp32',
    aliases: ['dtype', 'quantization', 'quantize', 'quantise', 'outtype'],
  }),
  /** Is told how far each file is. */
  onProgress: optional(callback<(event: ExportEvent) => void>(), undefined, {
    aliases: ['callback', 'progress', 'onEvent', 'progressCallback'],
  }),
  /** Stops between small pieces; the promise rejects with an AbortError, and nothing is left of the export. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `export`. */
export interface ExportOptions extends OptionsOf<typeof exportTable> {}
