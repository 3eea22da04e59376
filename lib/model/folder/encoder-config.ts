import { ModelError } from '../../system/errors';
import type { Architecture, EncoderSpec, HiddenActivation } from '../../engine/addon';
import { Fields, type JsonObject } from '../../system/json';

export const ARCHITECTURES: readonly Architecture[] = ['bert', 'distilbert', 'roberta'];

/** Hugging Face's names (transformers/activations.py) of the activations that the engine has. */
const ACTIVATIONS: Record<string, HiddenActivation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

function unknownArchitecture(found: string, file: string): ModelError {
  return new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${file} describes ${found}; vectune runs the architectures ` +
      `${ARCHITECTURES.join(', ')}. Choose a model of one of these, for example one of the constants in \`models\`.`,
    { file },
  );
}

/** `model_type`, or, in files of before 2020 that lack it, what the class names or the fields tell. */
function architectureOf(config: JsonObject, file: string): Architecture {
  const type = config['model_type'];
  if (type !== undefined) {
    if (ARCHITECTURES.includes(type as Architecture)) return type as Architecture;
    throw unknownArchitecture(`the architecture "${String(type)}"`, file);
  }
  const classes = Array.isArray(config['architectures']) ? config['architectures'].map(String) : [];
  for (const name of classes) {
    const prefix = /^(Bert|DistilBert|Roberta)(Model|For[A-Z])/.exec(name)?.[1];
    if (prefix !== undefined) return prefix.toLowerCase() as Architecture;
  }
  if (classes.length > 0) throw unknownArchitecture(`the architecture "${classes.join(', ')}"`, file);
  if ('n_heads' in config && 'hidden_dim' in config) return 'distilbert';
  throw unknownArchitecture('no "model_type"', file);
}

function activation(fields: Fields, name: string, config: JsonObject): HiddenActivation {
  const found = fields.string(name, 'gelu');
  const known = Object.hasOwn(ACTIVATIONS, found) ? ACTIVATIONS[found] : undefined;
  if (known !== undefined) return known;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${fields.file}: "${name}" is ${JSON.stringify(config[name])}; ` +
      `vectune runs ${Object.keys(ACTIVATIONS).join(', ')}.`,
    { file: fields.file },
  );
}

/**
 * The encoder's shape out of config.json. Defaults are those of Hugging Face's configuration classes.
 *
 * @throws ModelError ERR_UNKNOWN_ARCHITECTURE: not BERT, DistilBERT or RoBERTa, or a variant of them that is
 *   computed in another way; ERR_MODEL_FOLDER: a field is missing or impossible.
 */
export function readEncoderSpec(config: JsonObject, file: string): EncoderSpec {
  const architecture = architectureOf(config, file);
  const fields = new Fields(config, file);
  refuseVariants(fields);
  const spec = architecture === 'distilbert' ? distilbert(fields) : bert(fields, architecture);
  if (spec.hiddenSize % spec.heads !== 0) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: the hidden size ${spec.hiddenSize} cannot be divided among ` + `${spec.heads} attention heads.`,
      { file },
    );
  }
  if (spec.positions <= spec.positionOffset) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: "max_position_embeddings" ${spec.positions} leaves no position ` +
        `behind the offset ${spec.positionOffset} (pad_token_id + 1).`,
      { file },
    );
  }
  return spec;
}

/** Settings under which the same tensors mean another computation. */
function refuseVariants(fields: Fields): void {
  const kind = 'position_embedding_type';
  const positions = fields.has(kind) ? fields.string(kind) : 'absolute';
  if (positions !== 'absolute') {
    throw unknownArchitecture(`the position embeddings "${positions}" (only "absolute" is known)`, fields.file);
  }
  for (const name of ['is_decoder', 'add_cross_attention']) {
    if (fields.boolean(name, false)) throw unknownArchitecture(`a decoder ("${name}": true)`, fields.file);
  }
}

function bert(fields: Fields, architecture: 'bert' | 'roberta'): EncoderSpec {
  return {
    architecture,
    vocabSize: fields.integer('vocab_size', 1),
    hiddenSize: fields.integer('hidden_size', 1),
    layers: fields.integer('num_hidden_layers', 1),
    heads: fields.integer('num_attention_heads', 1),
    intermediateSize: fields.integer('intermediate_size', 1),
    positions: fields.integer('max_position_embeddings', 1, 512),
    typeVocabSize: fields.integer('type_vocab_size', 1, 2),
    positionOffset: architecture === 'roberta' ? fields.integer('pad_token_id', 0, 1) + 1 : 0,
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act', fields.object),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0.1),
  };
}

function distilbert(fields: Fields): EncoderSpec {
  return {
    architecture: 'distilbert',
    vocabSize: fields.integer('vocab_size', 1),
    hiddenSize: fields.integer(['dim', 'hidden_size'], 1),
    layers: fields.integer(['n_layers', 'num_hidden_layers'], 1),
    heads: fields.integer(['n_heads', 'num_attention_heads'], 1),
    intermediateSize: fields.integer('hidden_dim', 1),
    positions: fields.integer('max_position_embeddings', 1, 512),
    typeVocabSize: 0,
    positionOffset: 0,
    layerNormEps: 1e-12, // fixed in the model's code, not in its configuration
    hiddenActivation: activation(fields, 'activation', fields.object),
    hiddenDropout: fields.number('dropout', 0, 1, 0.1),
    attentionDropout: fields.number('attention_dropout', 0, 1, 0.1),
  };
}
