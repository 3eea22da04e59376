import type { LayerAttention, PoolingMode } from '../../engine/model-spec';
import { ModelError } from '../../system/errors';
import type { OpenedModel } from '../../model/types';
import { asHalf, asSingle, bytesOf, inBlocks, BLOCK, BLOCK_BYTES, type Pieces } from '../convert';
import type { WeightsOf } from '../format';
import type { ExportPrecision } from '../options';
import { stacked, type Rows, type Weights } from '../weights';
import type { Field, GgufTensor, TensorType } from './file';

/** What llama.cpp's models have in common. Source: its gguf-py/gguf/constants.py. */

/** A model as llama.cpp has it. */
export interface GgufModel {
  /** All but the tokenizer's. */
  fields: ReadonlyMap<string, Field>;
  /** In the order of the forward pass. */
  tensors: (weights: WeightsOf, precision: ExportPrecision) => GgufTensor[];
}

const POOLINGS: Partial<Record<PoolingMode, number>> = { mean: 1, cls: 2, lasttoken: 3 };

/** ggml's type of matrices, and llama.cpp's number of a file of such. */
export const KINDS: Readonly<Record<ExportPrecision, { type: TensorType; file: number }>> = {
  fp32: { type: 'F32', file: 0 },
  fp16: { type: 'F16', file: 1 },
  int8: { type: 'Q8_0', file: 7 },
};

export function refusal(model: OpenedModel, why: string): ModelError {
  return new ModelError('ERR_EXPORT', `${model.id} cannot be exported as GGUF: ${why}.`);
}

/**
 * The description of a model of llama.cpp's `architecture`, with what is this one's `own`.
 *
 * @param runsDense whether llama.cpp runs Dense behind the pooling of this architecture
 * @throws ModelError ERR_EXPORT: llama.cpp does not do what follows the encoder
 */
export function describe(
  model: OpenedModel,
  architecture: string,
  own: Readonly<Record<string, Field>>,
  runsDense = false,
): Map<string, Field> {
  const { encoder, head } = model.spec;
  const [pooling, ...rest] = head;
  if (!runsDense && rest.some(({ kind }) => kind === 'dense'))
    throw refusal(model, 'llama.cpp runs no Dense behind the pooling');
  if (rest.some(({ kind }) => kind === 'layer_norm'))
    throw refusal(model, 'llama.cpp runs no LayerNorm behind the pooling');
  const modes = pooling?.kind === 'pooling' ? pooling.modes : [];
  const kind = modes.length === 1 ? POOLINGS[modes[0]!] : undefined;
  if (kind === undefined)
    throw refusal(model, `its pooling is ${modes.join(' with ')}, and llama.cpp has mean, cls and last token`);

  const all: Record<string, Field> = {
    block_count: { u32: encoder.layers },
    context_length: { u32: model.positions },
    embedding_length: { u32: encoder.hiddenSize },
    feed_forward_length: { u32: encoder.intermediateSize },
    'attention.head_count': { u32: encoder.heads },
    ...own,
    pooling_type: { u32: kind },
  };
  return new Map<string, Field>([
    ['general.architecture', { text: architecture }],
    ['general.type', { text: 'model' }],
    ['general.name', { text: model.id }],
    ['general.quantization_version', { u32: 2 }],
    ...Object.entries(all).map(([name, value]): [string, Field] => [`${architecture}.${name}`, value]),
  ]);
}

/** How positions turn the heads. */
export function ropeFields({ ropeTheta, ropeDivisor }: LayerAttention): Record<string, Field> {
  return {
    'rope.freq_base': { f32: ropeTheta },
    ...(ropeDivisor === 1
      ? {}
      : { 'rope.scaling.type': { text: 'linear' }, 'rope.scaling.factor': { f32: ropeDivisor } }),
  };
}

/** Tensors of a file under llama.cpp's names: matrices in its precision, norms and biases in fp32. */
export class Tensors {
  readonly all: GgufTensor[] = [];
  readonly #weights: Weights;
  readonly #wanted: TensorType;

  constructor(weights: Weights, precision: ExportPrecision) {
    this.#weights = weights;
    this.#wanted = KINDS[precision].type;
  }

  /** In fp32, whatever the precision. */
  single(name: string, tensor: Rows): void {
    const bytes = 4 * tensor.elements;
    this.all.push({ name, shape: tensor.shape, type: 'F32', bytes, pieces: () => asSingle(tensor) });
  }

  /** @param from a matrix, or several that become one, one above the other */
  matrix(name: string, from: string | readonly string[], weights = this.#weights): void {
    const tensor = stacked([from].flat().map((one) => weights.tensor(`${one}.weight`)));
    const [, columns] = tensor.shape as [number, number];
    // Rows that are not made of whole blocks stay fp16, as llama.cpp's own converter leaves them.
    const type = this.#wanted === 'Q8_0' && columns % BLOCK !== 0 ? 'F16' : this.#wanted;
    if (type === 'F32') return this.single(`${name}.weight`, tensor);
    const bytes = type === 'F16' ? 2 * tensor.elements : (tensor.elements / BLOCK) * BLOCK_BYTES;
    const pieces = type === 'F16' ? () => asHalf(tensor.pieces()) : () => inBlocks(tensor.pieces(columns));
    this.all.push({ name: `${name}.weight`, shape: tensor.shape, type, bytes, pieces });
  }

  /** With a bias where there is one. */
  norm(name: string, from: string): void {
    this.single(`${name}.weight`, this.#weights.tensor(`${from}.weight`));
    this.#bias(name, from);
  }

  /** What a root mean square norm multiplies by: (weight + shift) · scale. */
  rmsNorm(name: string, from: string, { shift = 0, scale = 1 } = {}): void {
    const tensor = this.#weights.tensor(`${from}.weight`);
    const pieces = async function* (): Pieces {
      for await (const piece of tensor.pieces()) yield bytesOf(piece.map((one) => (one + shift) * scale));
    };
    this.all.push({ name: `${name}.weight`, shape: tensor.shape, type: 'F32', bytes: 4 * tensor.elements, pieces });
  }

  /** With a bias where there is one. */
  linear(name: string, from: string): void {
    this.matrix(name, from);
    this.#bias(name, from);
  }

  #bias(name: string, from: string): void {
    if (this.#weights.has(`${from}.bias`)) this.single(`${name}.bias`, this.#weights.tensor(`${from}.bias`));
  }
}
