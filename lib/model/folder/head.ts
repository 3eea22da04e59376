import { join } from 'node:path';
import { show } from '../../system/options';
import { ModelError } from '../../system/errors';
import type { DenseActivation, HeadSpec, PoolingMode } from '../../engine/model-spec';
import { Fields, readJsonObject, type JsonObject } from '../../system/json';
import type { FolderModule } from './modules';

/** In the order in which several modes are concatenated. */
const POOLING_MODES: readonly PoolingMode[] = ['cls', 'max', 'mean', 'mean_sqrt_len', 'weightedmean', 'lasttoken'];

/** Keys up to 5.3 (each a boolean), in the order of concatenation, and the names of 5.4 and later. */
const OLD_POOLING_KEYS: Record<string, string> = {
  pooling_mode_cls_token: 'cls',
  pooling_mode_max_tokens: 'max',
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_mean_sqrt_len_tokens: 'mean_sqrt_len_tokens',
  pooling_mode_weightedmean_tokens: 'weightedmean',
  pooling_mode_lasttoken: 'lasttoken',
};
const NEW_POOLING_NAMES: Record<string, PoolingMode> = {
  cls: 'cls',
  max: 'max',
  mean: 'mean',
  mean_sqrt_len_tokens: 'mean_sqrt_len',
  weightedmean: 'weightedmean',
  lasttoken: 'lasttoken',
};

/** The class of each activation, as sentence-transformers writes it. */
const DENSE_ACTIVATIONS: Record<DenseActivation, string> = {
  tanh: 'torch.nn.modules.activation.Tanh',
  identity: 'torch.nn.modules.linear.Identity',
  relu: 'torch.nn.modules.activation.ReLU',
  gelu: 'torch.nn.modules.activation.GELU',
  sigmoid: 'torch.nn.modules.activation.Sigmoid',
  silu: 'torch.nn.modules.activation.SiLU',
  leaky_relu: 'torch.nn.modules.activation.LeakyReLU',
  elu: 'torch.nn.modules.activation.ELU',
  selu: 'torch.nn.modules.activation.SELU',
  softplus: 'torch.nn.modules.activation.Softplus',
  mish: 'torch.nn.modules.activation.Mish',
};

/** What stands in a Dense's config.json for an activation. */
export function denseActivationClass(activation: DenseActivation): string {
  return DENSE_ACTIVATIONS[activation];
}

/** The activation of a class's path: its own, or that of a package of torch's which exports it. */
function denseActivation(path: string): DenseActivation | undefined {
  return (Object.keys(DENSE_ACTIVATIONS) as DenseActivation[]).find((activation) => {
    const own = DENSE_ACTIVATIONS[activation];
    const name = own.slice(own.lastIndexOf('.') + 1);
    return [own, `torch.nn.${name}`, `torch.nn.modules.${name}`].includes(path);
  });
}

export interface FolderHead {
  head: HeadSpec[];
  /** Folder of the weights of each module that has some, by its index in `head`. */
  weightFolders: Map<number, string>;
  includePrompt: boolean;
  /** Width of the final embedding. */
  dimension: number;
}

/** The modules after the encoder. `width` is the encoder's; `first` what it does itself. */
export async function readHead(
  modules: readonly FolderModule[],
  width: number,
  first: readonly HeadSpec[] = [],
): Promise<FolderHead> {
  const result: FolderHead = { head: [...first], weightFolders: new Map(), includePrompt: true, dimension: width };
  for (const module of modules) {
    const file = join(module.folder, 'config.json');
    const config = await readJsonObject(file);
    switch (module.kind) {
      case 'pooling': {
        if (config === undefined) throw missing(file);
        const { modes, includePrompt } = readPooling(config, file, result.dimension);
        result.head.push({ kind: 'pooling', modes });
        result.includePrompt = includePrompt;
        result.dimension *= modes.length;
        break;
      }
      case 'dense': {
        if (config === undefined) throw missing(file);
        const dense = readDense(config, file, result.dimension);
        result.weightFolders.set(result.head.length, module.folder);
        result.head.push(dense);
        result.dimension = dense.outFeatures;
        break;
      }
      case 'layer_norm':
        if (config === undefined) throw missing(file);
        result.weightFolders.set(result.head.length, module.folder);
        result.head.push(readLayerNorm(config, file, result.dimension));
        break;
      case 'normalize': // its folder may be absent, and was empty before 6.0
        checkNames(new Fields(config ?? {}, file));
        result.head.push({ kind: 'normalize' });
        break;
      case 'dropout': // of training in sentence-transformers, and none of a vector's
        break;
      case 'transformer':
      case 'static':
        throw new ModelError('ERR_UNKNOWN_MODULE', `A second encoder in ${module.folder} cannot follow a head.`);
    }
  }
  return result;
}

function missing(file: string): ModelError {
  return new ModelError(
    'ERR_MODEL_FOLDER',
    `${file} is missing, though modules.json names its folder. Fetch the model ` + 'folder again.',
    { file },
  );
}

/** Pooling's config.json, old keys and new. Without any mode it is the mean, as in sentence-transformers. */
function readPooling(
  config: JsonObject,
  file: string,
  width: number,
): { modes: PoolingMode[]; includePrompt: boolean } {
  const fields = new Fields(config, file);
  const dimension = fields.integer(['embedding_dimension', 'word_embedding_dimension'], 1, width);
  if (dimension !== width) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: the pooling expects token vectors of width ${dimension}, but the ` + `encoder gives ${width}.`,
      { file },
    );
  }
  const names = Object.hasOwn(config, 'pooling_mode')
    ? newNames(fields)
    : Object.entries(OLD_POOLING_KEYS)
        .filter(([key]) => fields.boolean(key, false))
        .map(([, name]) => name);
  if (names.length === 0) names.push('mean');
  const modes = names.map((name): PoolingMode => {
    const mode = Object.hasOwn(NEW_POOLING_NAMES, name) ? NEW_POOLING_NAMES[name] : undefined;
    if (mode !== undefined) return mode;
    throw new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${file}: the pooling "${name}" is not one that vectune has ` + `(${Object.keys(NEW_POOLING_NAMES).join(', ')}).`,
      { file },
    );
  });
  const ordered = POOLING_MODES.filter((mode) => modes.includes(mode));
  if (ordered.length !== modes.length || ordered.some((mode, i) => mode !== modes[i])) {
    throw new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${file}: the poolings are concatenated as ${names.join(', ')}; vectune ` +
        `concatenates each once, in the order ${Object.keys(NEW_POOLING_NAMES).join(', ')}.`,
      { file },
    );
  }
  return { modes, includePrompt: fields.boolean('include_prompt', true) };
}

function newNames(fields: Fields): string[] {
  const value = fields.object['pooling_mode'];
  const list = Array.isArray(value) ? value : [value];
  if (list.every((name) => typeof name === 'string')) return [...list] as string[];
  throw fields.fail('pooling_mode', 'a name or a list of names', value);
}

/** Dense's config.json, of every era. */
export function readDense(config: JsonObject, file: string, width: number): HeadSpec & { kind: 'dense' } {
  const fields = new Fields(config, file);
  checkNames(fields);
  const inFeatures = fields.integer('in_features', 1);
  if (inFeatures !== width) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: "in_features" is ${inFeatures}, but the module before gives vectors ` + `of width ${width}.`,
      { file },
    );
  }
  // Not given it is Tanh; null is an error in sentence-transformers too, though its constructor takes None for Identity.
  const given = 'activation_function' in config;
  const name = given ? config['activation_function'] : DENSE_ACTIVATIONS.tanh;
  const activation = typeof name === 'string' ? denseActivation(name) : undefined;
  if (activation === undefined) {
    throw new ModelError(
      'ERR_UNKNOWN_MODULE',
      `${file}: the activation ${show(name)} is not one that vectune has ` +
        `(${Object.values(DENSE_ACTIVATIONS).join(', ')}).` +
        (name === null ? ` Write "${DENSE_ACTIVATIONS.identity}" where none is meant.` : ''),
      { file },
    );
  }
  return {
    kind: 'dense',
    inFeatures,
    outFeatures: fields.integer('out_features', 1),
    bias: fields.boolean('bias', true),
    activation,
    ...(fields.boolean('use_residual', false) ? { residual: true } : {}),
  };
}

/** LayerNorm's config.json, which is the same in every era. */
export function readLayerNorm(config: JsonObject, file: string, width: number): HeadSpec & { kind: 'layer_norm' } {
  const dimension = new Fields(config, file).integer('dimension', 1);
  if (dimension !== width) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: "dimension" is ${dimension}, but the module before gives vectors of width ${width}.`,
      { file },
    );
  }
  return { kind: 'layer_norm', dimension };
}

/** From 5.4 a module may read and write another vector than the text's; vectune has only that one. */
function checkNames(fields: Fields): void {
  for (const key of ['module_input_name', 'module_output_name']) {
    if (key === 'module_output_name' && !fields.has(key)) continue; // null: the one that is read
    const name = fields.string(key, 'sentence_embedding');
    if (name !== 'sentence_embedding') {
      throw new ModelError(
        'ERR_UNKNOWN_MODULE',
        `${fields.file}: "${key}" is "${name}"; vectune's modules after the ` +
          'pooling read and write "sentence_embedding".',
        { file: fields.file },
      );
    }
  }
}
