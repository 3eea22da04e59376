import { Fields, isObject, type JsonObject } from '../../system/json';
import { activation } from '../encoder-fields/activation';
import { headsOf } from '../encoder-fields/heads';
import { padding } from '../encoder-fields/padding';
import { refuse, refuseOthers, unlike } from '../encoder-fields/refusal';
import { rope, ropeParameters, writtenRope, type Rope } from '../encoder-fields/rope';
import type { Shape } from '../encoder-fields/shape';
import type { Description } from './description';

/** Zhang et al. 2024, by transformers' names, or by those of "new", the code in the model's repository. */
function readGte(fields: Fields): Shape {
  const former = fields.object['model_type'] === 'new';
  const other = "another computation than vectune's GTE";
  refuse(fields, ['logn_attention_scale', 'logn_attention_clip1'], other);
  refuseOthers(
    fields,
    [
      ['position_embedding_type', 'rope'],
      ['layer_norm_type', 'layer_norm'],
      ['pack_qkv', true],
    ],
    other,
  );
  const layers = fields.integer('num_hidden_layers', 1, 12);
  const hiddenSize = fields.integer('hidden_size', 1, 768);
  const heads = fields.integer('num_attention_heads', 1, 12);
  const theta = fields.number('rope_theta', 1, Infinity, former ? undefined : 160_000);
  const parameters = ropeParameters(fields);
  const turned = ntk(fields, parameters, theta, hiddenSize / heads) ?? rope(fields, parameters, theta);
  return headsOf(fields, {
    vocabSize: fields.integer('vocab_size', 1, 250_048),
    hiddenSize,
    layers,
    heads,
    intermediateSize: fields.integer('intermediate_size', 1, 3072),
    positions: fields.integer('max_position_embeddings', 1, 8192),
    // What one of the two classes has where the file does not say, the other has not.
    typeVocabSize: former ? fields.integer('type_vocab_size', 0) : fields.integer('type_vocab_size', 0, 1),
    positionOffset: 0,
    padTokenId: padding(fields, former ? 0 : 1),
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act'),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0),
    attention: Array.from({ length: layers }, () => ({ window: null, ...turned })),
  });
}

/** "rope_scaling" of the code in GTE's repositories: a larger base, and all pairs a little slower. */
function ntk(fields: Fields, scaling: unknown, theta: number, headSize: number): Rope | undefined {
  if (!isObject(scaling) || (scaling['type'] ?? scaling['rope_type']) !== 'ntk') return undefined;
  const own = new Fields(scaling, `${fields.file}, "rope_scaling"`);
  if (own.has('mixed_b')) throw unlike(fields, '"mixed_b" of "rope_scaling" is not something that vectune has');
  const factor = own.number('factor', 1, Infinity);
  return { ropeTheta: theta * factor, ropeDivisor: factor ** (2 / headSize) };
}

export const gte = {
  modelClass: 'GteModel',
  otherClasses: ['NewModel'],
  ownCode: true,
  tokenizerClass: 'XLMRobertaTokenizer',
  writtenTokenizerClass: 'XLMRobertaTokenizer',
  formerModule: null,
  otherTypes: ['new'],
  ownFields: [],
  read: readGte,
  // As transformers' own class reads it: the code that "new" names is fetched from the hub.
  write: (config, shape) => {
    const written: JsonObject = { ...config, architectures: ['GteModel'], rope_parameters: writtenRope(shape) };
    for (const key of ['auto_map', 'rope_theta', 'rope_scaling']) delete written[key];
    return written;
  },
} as const satisfies Description;
