import type { EncoderSpec, HiddenActivation } from '../engine/addon';
import { ModelError } from '../system/errors';
import type { Fields } from '../system/json';

/**
 * The architectures that vectune runs: all that TypeScript knows of one by its name stands here, and what the engine
 * knows in native/engine/model.
 */

/** What an encoder's config.json says; defaults are those of Hugging Face's configuration class. */
type Shape = Omit<EncoderSpec, 'architecture'>;

interface Description {
  /** transformers' class, which config.json names in "architectures". */
  modelClass: string;
  /** transformers 5's tokenizer class for folders that name none. */
  tokenizerClass: string;
  /** The one that every release of transformers knows, for folders that are written. */
  writtenTokenizerClass: string;
  /** Module class of sentence-transformers before 0.2.6, when each architecture had one of its own; null: it had none. */
  formerModule: string | null;
  /** Fields that only its configuration has: files of before 2020 may have nothing else to tell it by. */
  ownFields: readonly string[];
  read: (fields: Fields) => Shape;
}

export const ARCHITECTURES = {
  bert: {
    modelClass: 'BertModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'BertTokenizer',
    formerModule: 'BERT',
    ownFields: [],
    read: bertLike,
  },
  camembert: {
    modelClass: 'CamembertModel',
    tokenizerClass: 'CamembertTokenizer',
    writtenTokenizerClass: 'CamembertTokenizer',
    formerModule: 'CamemBERT',
    ownFields: [],
    read: afterPadding,
  },
  distilbert: {
    modelClass: 'DistilBertModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'DistilBertTokenizer',
    formerModule: 'DistilBERT',
    ownFields: ['n_heads', 'hidden_dim'],
    read: (fields) => ({
      vocabSize: fields.integer('vocab_size', 1),
      hiddenSize: fields.integer(['dim', 'hidden_size'], 1),
      layers: fields.integer(['n_layers', 'num_hidden_layers'], 1),
      heads: fields.integer(['n_heads', 'num_attention_heads'], 1),
      intermediateSize: fields.integer('hidden_dim', 1),
      positions: fields.integer('max_position_embeddings', 1, 512),
      typeVocabSize: 0,
      positionOffset: 0,
      padTokenId: padding(fields),
      layerNormEps: 1e-12, // fixed in the model's code, not in its configuration
      hiddenActivation: activation(fields, 'activation'),
      hiddenDropout: fields.number('dropout', 0, 1, 0.1),
      attentionDropout: fields.number('attention_dropout', 0, 1, 0.1),
    }),
  },
  electra: {
    modelClass: 'ElectraModel',
    tokenizerClass: 'BertTokenizer',
    writtenTokenizerClass: 'ElectraTokenizer',
    formerModule: null,
    ownFields: [],
    read: (fields) => {
      const shape = bertLike(fields);
      const width = fields.integer('embedding_size', 1, 128);
      if (width !== shape.hiddenSize) {
        throw new ModelError(
          'ERR_UNKNOWN_ARCHITECTURE',
          `${fields.file}: "embedding_size" is ${width} and "hidden_size" ${shape.hiddenSize}; vectune's ELECTRA has no ` +
            'projection between the two. Choose a model in which they are equal.',
          { file: fields.file },
        );
      }
      return shape;
    },
  },
  mpnet: {
    modelClass: 'MPNetModel',
    tokenizerClass: 'MPNetTokenizer',
    writtenTokenizerClass: 'MPNetTokenizer',
    formerModule: null,
    ownFields: ['relative_attention_num_buckets'],
    read: (fields) => {
      const buckets = fields.integer('relative_attention_num_buckets', 1, 32);
      if (buckets !== 32) {
        throw new ModelError(
          'ERR_UNKNOWN_ARCHITECTURE',
          `${fields.file}: "relative_attention_num_buckets" is ${buckets}; vectune's MPNet has 32, as transformers' code does.`,
          { file: fields.file },
        );
      }
      // The padding is 1 in the model's code, whatever the configuration says.
      return { ...bertLike(fields), typeVocabSize: 0, positionOffset: 2, padTokenId: 1 };
    },
  },
  roberta: {
    modelClass: 'RobertaModel',
    tokenizerClass: 'RobertaTokenizer',
    writtenTokenizerClass: 'RobertaTokenizer',
    formerModule: 'RoBERTa',
    ownFields: [],
    read: afterPadding,
  },
  'xlm-roberta': {
    modelClass: 'XLMRobertaModel',
    tokenizerClass: 'XLMRobertaTokenizer',
    writtenTokenizerClass: 'XLMRobertaTokenizer',
    formerModule: 'XLMRoBERTa',
    ownFields: [],
    read: afterPadding,
  },
} as const satisfies Record<string, Description>;

export type Architecture = keyof typeof ARCHITECTURES;

export const ARCHITECTURE_NAMES = Object.keys(ARCHITECTURES) as Architecture[];

function bertLike(fields: Fields): Shape {
  return {
    vocabSize: fields.integer('vocab_size', 1),
    hiddenSize: fields.integer('hidden_size', 1),
    layers: fields.integer('num_hidden_layers', 1),
    heads: fields.integer('num_attention_heads', 1),
    intermediateSize: fields.integer('intermediate_size', 1),
    positions: fields.integer('max_position_embeddings', 1, 512),
    typeVocabSize: fields.integer('type_vocab_size', 1, 2),
    positionOffset: 0,
    padTokenId: padding(fields),
    layerNormEps: fields.number('layer_norm_eps', 0, 1, 1e-12),
    hiddenActivation: activation(fields, 'hidden_act'),
    hiddenDropout: fields.number('hidden_dropout_prob', 0, 1, 0.1),
    attentionDropout: fields.number('attention_probs_dropout_prob', 0, 1, 0.1),
  };
}

/** RoBERTa's: positions are counted from behind the padding's. */
function afterPadding(fields: Fields): Shape {
  const padTokenId = fields.integer('pad_token_id', 0, 1);
  return { ...bertLike(fields), positionOffset: padTokenId + 1, padTokenId };
}

/** 0 unless the file says otherwise; what is no id is none. */
function padding(fields: Fields): number | null {
  const id = fields.object['pad_token_id'] === undefined ? 0 : Number(fields.object['pad_token_id'] ?? NaN);
  return Number.isSafeInteger(id) && id >= 0 && id < fields.integer('vocab_size', 1) ? id : null;
}

/** Hugging Face's names (transformers/activations.py) of the activations that the engine has. */
const ACTIVATIONS: Record<string, HiddenActivation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

function activation(fields: Fields, name: string): HiddenActivation {
  const found = fields.string(name, 'gelu');
  const known = Object.hasOwn(ACTIVATIONS, found) ? ACTIVATIONS[found] : undefined;
  if (known !== undefined) return known;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${fields.file}: "${name}" is ${JSON.stringify(fields.object[name])}; ` +
      `vectune runs ${Object.keys(ACTIVATIONS).join(', ')}.`,
    { file: fields.file },
  );
}
