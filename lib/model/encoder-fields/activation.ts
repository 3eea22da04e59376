import type { HiddenActivation } from '../../engine/model-spec';
import { ModelError } from '../../system/errors';
import type { Fields } from '../../system/json';

/** Hugging Face's names (transformers/activations.py) of the activations that the engine has. */
const ACTIVATIONS: Record<string, HiddenActivation> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  silu: 'silu',
  swish: 'silu',
};

export function activation(fields: Fields, name: string, fallback = 'gelu'): HiddenActivation {
  const found = fields.string(name, fallback);
  const known = Object.hasOwn(ACTIVATIONS, found) ? ACTIVATIONS[found] : undefined;
  if (known !== undefined) return known;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${fields.file}: "${name}" is ${JSON.stringify(fields.object[name])}; ` +
      `vectune runs ${Object.keys(ACTIVATIONS).join(', ')}.`,
    { file: fields.file },
  );
}
