import { readDense, readLayerNorm } from '../../../lib/model/folder/head';
import { readEncoderSpec } from '../../../lib/model/folder/encoder-config';
import { ModelError } from '../../../lib/system/errors';

/** The configuration of a Dense and of a LayerNorm, field by field as sentence-transformers 6.2 reads it. */

const dense = (fields: object) => readDense({ in_features: 4, out_features: 3, ...fields }, '/d/config.json', 4);

test.each([
  [undefined, 'tanh'],
  ['torch.nn.modules.activation.Tanh', 'tanh'],
  ['torch.nn.Tanh', 'tanh'],
  ['torch.nn.modules.Tanh', 'tanh'],
  ['torch.nn.modules.linear.Identity', 'identity'],
  ['torch.nn.Identity', 'identity'],
  ['torch.nn.modules.activation.ReLU', 'relu'],
  ['torch.nn.GELU', 'gelu'],
  ['torch.nn.modules.GELU', 'gelu'],
  ['torch.nn.modules.activation.Sigmoid', 'sigmoid'],
  ['torch.nn.modules.activation.SiLU', 'silu'],
  ['torch.nn.modules.activation.LeakyReLU', 'leaky_relu'],
  ['torch.nn.modules.activation.ELU', 'elu'],
  ['torch.nn.modules.activation.SELU', 'selu'],
  ['torch.nn.modules.activation.Softplus', 'softplus'],
  ['torch.nn.modules.activation.Mish', 'mish'],
])('the activation %p is %s', (path, activation) => {
  expect(dense(path === undefined ? {} : { activation_function: path })).toMatchObject({ activation });
});

test.each([
  // Neither module exports the class: importing it fails.
  ['torch.nn.modules.activation.Identity'],
  ['torch.nn.modules.linear.Tanh'],
  ['torch.nn.tanh'],
])('the activation %s is refused', (activation_function) => {
  expect(() => dense({ activation_function })).toThrow(ModelError);
});

test('a bias that is null is none, as None is in Python', () => {
  expect([undefined, true, false, null].map((bias) => dense(bias === undefined ? {} : { bias }).bias)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test('a name of the output that is null is that of the input', () => {
  expect(dense({ module_output_name: null })).toMatchObject({ kind: 'dense' });
  expect(() => dense({ module_input_name: null })).toThrow('"module_input_name" must be a string, found null');
});

test('a LayerNorm is of the width before it', () => {
  const norm = (fields: object) => readLayerNorm({ ...fields }, '/d/config.json', 4);
  expect(norm({ dimension: 4 })).toEqual({ kind: 'layer_norm', dimension: 4 });
  expect(() => norm({ dimension: 5 })).toThrow('"dimension" is 5, but the module before gives vectors of width 4');
  expect(() => norm({})).toThrow('/d/config.json');
});

test.each(['hidden_act', 'layer_norm_eps', 'hidden_dropout_prob', 'max_position_embeddings', 'type_vocab_size'])(
  'of the encoder, %s that is null is no default: transformers refuses it too',
  (name) => {
    const shape = { vocab_size: 9, hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 8 };
    const config = { model_type: 'bert', ...shape };
    expect(readEncoderSpec(config, 'config.json')).toMatchObject({ hiddenActivation: 'gelu', layerNormEps: 1e-12 });
    expect(() => readEncoderSpec({ ...config, [name]: null }, 'config.json')).toThrow(`"${name}" must be `);
    expect(() => readEncoderSpec({ ...config, [name]: null }, 'config.json')).toThrow('found null');
  },
);
