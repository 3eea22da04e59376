import type { PoolingMode } from '../../engine/addon';
import { ModelError } from '../../system/errors';
import type { OpenedModel } from '../../model/types';
import { asHalf, asSingle, inBlocks, BLOCK, BLOCK_BYTES } from '../convert';
import type { ExportPrecision } from '../options';
import type { EncoderPlan, TensorNames, TransformerPlan } from '../plans';
import type { Tensor, Weights } from '../weights';
import type { Field, GgufTensor, TensorType } from './file';

/** A model of BERT's kind as llama.cpp has it. Source: its conversion/bert.py, gguf-py/gguf/tensor_mapping.py. */

const POOLINGS: Partial<Record<PoolingMode, number>> = { mean: 1, cls: 2, lasttoken: 3 };

/** ggml's type of matrices, and llama.cpp's number of a file of such. */
export const KINDS: Readonly<Record<ExportPrecision, { type: TensorType; file: number }>> = {
  fp32: { type: 'F32', file: 0 },
  fp16: { type: 'F16', file: 1 },
  int8: { type: 'Q8_0', file: 7 },
};

function refusal(model: OpenedModel, why: string): ModelError {
  return new ModelError('ERR_EXPORT', `${model.id} cannot be exported as GGUF: ${why}.`);
}

/** A plan of BERT's kind. */
export interface BertPlan extends TransformerPlan {
  names: TensorNames & Record<'positions' | 'types' | 'embeddingNorm' | 'key' | 'value', string>;
}

/** @throws ModelError ERR_EXPORT: the model is of another kind */
export function bertPlan(model: OpenedModel, plan: EncoderPlan): BertPlan {
  const { architecture } = model.spec.encoder;
  const other = (what: string) =>
    refusal(model, `vectune writes BERT and its like as GGUF, and ${architecture} has ${what}`);
  if (plan.kind === 'bag') throw other('a table of words and no encoder');
  if (plan.relativeBias !== undefined)
    throw refusal(model, `llama.cpp has no ${architecture}, whose scores have a bias by distance`);
  if (plan.positions === 'rotary') throw other('rotary positions');
  return plan as BertPlan;
}

/** All of the model but tokenizer and weights. @throws ModelError ERR_EXPORT: names what llama.cpp cannot do */
export function describe(model: OpenedModel): Map<string, Field> {
  const { encoder, head } = model.spec;
  const [pooling, ...rest] = head;
  if (encoder.hiddenActivation === 'relu')
    throw refusal(model, 'its activation is ReLU, and that of llama.cpp is GELU');
  if (rest.some(({ kind }) => kind === 'dense')) throw refusal(model, 'llama.cpp runs no Dense behind the pooling');
  const modes = pooling?.kind === 'pooling' ? pooling.modes : [];
  const kind = modes.length === 1 ? POOLINGS[modes[0]!] : undefined;
  if (kind === undefined)
    throw refusal(model, `its pooling is ${modes.join(' with ')}, and llama.cpp has mean, cls and last token`);

  const own: [string, Field][] = [
    ['block_count', { u32: encoder.layers }],
    ['context_length', { u32: model.positions }],
    ['embedding_length', { u32: encoder.hiddenSize }],
    ['feed_forward_length', { u32: encoder.intermediateSize }],
    ['attention.head_count', { u32: encoder.heads }],
    ['attention.layer_norm_epsilon', { f32: encoder.layerNormEps }],
    ['attention.causal', { bool: false }],
    ['pooling_type', { u32: kind }],
  ];
  return new Map<string, Field>([
    ['general.architecture', { text: 'bert' }],
    ['general.type', { text: 'model' }],
    ['general.name', { text: model.id }],
    ['general.quantization_version', { u32: 2 }],
    ...own.map(([name, value]): [string, Field] => [`bert.${name}`, value]),
  ]);
}

/** In the order of the forward pass; norms, biases and the tables of positions and types are fp32 in every precision. */
export function ggufTensors(
  model: OpenedModel,
  { names }: BertPlan,
  weights: Weights,
  precision: ExportPrecision,
): GgufTensor[] {
  const { encoder } = model.spec;
  const tensors: GgufTensor[] = [];
  const single = (name: string, tensor: Tensor) =>
    tensors.push({
      name,
      shape: tensor.shape,
      type: 'F32',
      bytes: 4 * tensor.elements,
      pieces: () => asSingle(tensor),
    });
  const matrix = (name: string, from: string) => {
    const tensor = weights.tensor(`${from}.weight`);
    const [, columns] = tensor.shape as [number, number];
    // Rows that are not made of whole blocks stay fp16, as llama.cpp's own converter leaves them.
    const wanted = KINDS[precision].type;
    const type = wanted === 'Q8_0' && columns % BLOCK !== 0 ? 'F16' : wanted;
    if (type === 'F32') return single(`${name}.weight`, tensor);
    const bytes = type === 'F16' ? 2 * tensor.elements : (tensor.elements / BLOCK) * BLOCK_BYTES;
    const pieces = type === 'F16' ? () => asHalf(tensor.pieces()) : () => inBlocks(tensor.pieces(columns));
    return tensors.push({ name: `${name}.weight`, shape: tensor.shape, type, bytes, pieces });
  };
  const norm = (name: string, from: string) => {
    for (const part of ['weight', 'bias']) single(`${name}.${part}`, weights.tensor(`${from}.${part}`));
  };
  const linear = (name: string, from: string) => {
    matrix(name, from);
    single(`${name}.bias`, weights.tensor(`${from}.bias`));
  };

  matrix('token_embd', names.words);
  // llama.cpp counts positions from 0.
  single('position_embd.weight', weights.tensor(`${names.positions}.weight`).rowsFrom(encoder.positionOffset));
  if (encoder.typeVocabSize > 0) single('token_types.weight', weights.tensor(`${names.types}.weight`));
  norm('token_embd_norm', names.embeddingNorm);
  for (let i = 0; i < encoder.layers; ++i) {
    const from = (part: string) => `${names.layer}${i}.${part}`;
    linear(`blk.${i}.attn_q`, from(names.query));
    linear(`blk.${i}.attn_k`, from(names.key));
    linear(`blk.${i}.attn_v`, from(names.value));
    linear(`blk.${i}.attn_output`, from(names.attentionOut));
    norm(`blk.${i}.attn_output_norm`, from(names.attentionNorm));
    linear(`blk.${i}.ffn_up`, from(names.up));
    linear(`blk.${i}.ffn_down`, from(names.down));
    norm(`blk.${i}.layer_output_norm`, from(names.outputNorm));
  }
  return tensors;
}
