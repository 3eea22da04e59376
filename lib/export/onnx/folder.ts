import { NO_POSITIONS, STATIC } from '../../model/folder/static-embedding';
import type { OpenedModel } from '../../model/types';
import type { JsonObject } from '../../system/json';
import type { ExportPrecision } from '../options';

/** What transformers.js 4 and sentence-transformers 6 look for in a folder with ONNX graphs. */

/** The graph of each precision, and transformers.js' `dtype` of it. */
export const GRAPHS: Readonly<Record<ExportPrecision, { file: string; dtype: string }>> = {
  fp32: { file: 'model.onnx', dtype: 'fp32' },
  fp16: { file: 'model_fp16.onnx', dtype: 'fp16' },
  int8: { file: 'model_quantized.onnx', dtype: 'q8' },
};

/**
 * config.json with what transformers.js must know: how many files of weights a graph has beside it, and which precision
 * is meant where none is asked for. It would take fp32, and in a browser's WebAssembly q8: only where there are both need
 * nothing be said.
 */
export function withRuntimeConfig(
  config: JsonObject,
  precisions: readonly ExportPrecision[],
  files: ReadonlyMap<string, readonly string[]>,
): JsonObject {
  const external = [...files].filter(([, weights]) => weights.length > 0).map(([file, { length }]) => [file, length]);
  const usual = precisions.includes('fp32') ? 'fp32' : precisions[0]!;
  const own = {
    ...(usual === 'fp32' && precisions.includes('int8') ? {} : { dtype: GRAPHS[usual].dtype }),
    ...(external.length === 0 ? {} : { use_external_data_format: Object.fromEntries(external) as JsonObject }),
  };
  const { 'transformers.js_config': _, ...rest } = config;
  return Object.keys(own).length === 0 ? rest : { ...rest, 'transformers.js_config': own };
}

/**
 * The files of a table of words, which transformers.js runs as it runs other models, with a tokenizer that adds no special
 * tokens. There is no modules.json: sentence-transformers has no ONNX backend for such a module.
 */
export async function staticFiles({ spec, tokeniser, positions }: OpenedModel): Promise<Map<string, string>> {
  const { json } = await tokeniser.ready();
  const { vocabSize, hiddenSize } = spec.encoder;
  const files: [string, JsonObject][] = [
    ['config.json', { model_type: STATIC, vocab_size: vocabSize, hidden_size: hiddenSize }],
    ['tokenizer.json', { ...json, post_processor: null }],
    [
      'tokenizer_config.json',
      {
        tokenizer_class: 'PreTrainedTokenizerFast',
        pad_token: filler(json),
        ...(positions < NO_POSITIONS ? { model_max_length: positions } : {}),
      },
    ],
  ];
  return new Map(files.map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]));
}

const PADDING = /^(?:\[PAD\]|<pad>)$/i;

/** What shorter texts are filled up with: the vocabulary's padding, else any token, as it is masked. */
function filler(tokenizer: JsonObject): string {
  const { vocab } = tokenizer['model'] as { vocab: Record<string, number> | [string, number][] };
  const tokens = Array.isArray(vocab) ? vocab.map(([token]) => token) : Object.keys(vocab);
  return tokens.find((token) => PADDING.test(token)) ?? tokens[0]!;
}
