import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LowRankUpdate, WeightFile } from '../../engine/weight-files';
import { ModelError } from '../../system/errors';
import { Fields, isObject, readJsonObject } from '../../system/json';
import { show } from '../../system/options';
import { say } from '../../system/wording';
import { readModules } from './modules';
import { tensorShapes } from './tensor-shapes';
import { tensorsOfTorchFile } from './torch-file';
import { OWN_WEIGHTS, pickleError, type WeightSource } from './weights';

/**
 * Folders that hold no model but what LoRA (Hu et al. 2021) learnt beside one, as Python's peft writes them. The model is
 * the base that they name with W + s·B·A in place of each matrix W that was adapted. Source: peft, tuners/lora (config.py,
 * layer.py), utils/save_and_load.py.
 */

/** Name of its configuration. */
export const ADAPTER_CONFIG = 'adapter_config.json';
/** Files that its tensors are in, the first that is there counting. */
export const ADAPTER_WEIGHTS = ['adapter_model.safetensors', 'adapter_model.bin'] as const;

export interface Adapter {
  /** Folder of its files: that of the encoder. */
  folder: string;
  /** Its configuration's file, for messages. */
  file: string;
  /** The model that it adapts: a folder, or an id of the hub. */
  base: string;
  /** Branch, tag or commit of the base. */
  baseRevision: string | undefined;
  /** For the engine, behind the base's weights. */
  weights: WeightFile;
}

/**
 * The adapter that a folder holds in place of a model; undefined where it has weights of its own, or no adapter.
 *
 * @throws ModelError ERR_MODEL_FOLDER: its files are damaged or do not belong together; ERR_UNKNOWN_ARCHITECTURE: it is of
 *   a kind that is not W + s·B·A
 */
export async function readAdapter(root: string): Promise<Adapter | undefined> {
  const folder = (await readModules(root))?.[0]?.folder ?? root;
  const file = join(folder, ADAPTER_CONFIG);
  const config = await readJsonObject(file);
  if (config === undefined || (await hasAny(folder, OWN_WEIGHTS))) return undefined;
  const fields = new Fields(config, file);
  if (!fields.has('base_model_name_or_path') || fields.string('base_model_name_or_path') === '') {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${folder} holds an adapter and no model, and ${file} does not name the model that it adapts. Write its id or ` +
        'its folder there, as "base_model_name_or_path".',
      { file },
    );
  }
  const base = fields.string('base_model_name_or_path');
  refuseOtherKinds(fields, base);
  const source = await adapterWeights(folder);
  return {
    folder,
    file,
    base,
    baseRevision: fields.has('revision') ? fields.string('revision') : undefined,
    weights: { ...source, module: 'encoder', adapter: changes(await tensorShapes(source), fields, source.path, base) },
  };
}

/** Settings under which the tensors mean another computation, or change other things than matrices; null is off. */
const OTHER_KINDS = [
  'use_dora',
  'use_qalora',
  'use_bdlora',
  'lora_bias',
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'monteclora_config',
  'layer_replication',
  'target_parameters',
  'trainable_token_indices',
];

/** Initialisations that take something out of the base's weights, and need it again where the adapter is used. */
const CHANGES_BASE = /^(?:pissa|olora|corda|loftq|lora_ga)/i;

function refuseOtherKinds(fields: Fields, base: string): void {
  const type = fields.string('peft_type', 'LORA');
  if (type.toUpperCase() !== 'LORA') throw otherKind(fields, base, 'peft_type', 'an adapter of another kind than LoRA');
  if (fields.has('bias') && fields.string('bias') !== 'none') {
    throw otherKind(fields, base, 'bias', "an adapter that changes the base's biases");
  }
  for (const name of OTHER_KINDS) {
    const value = fields.object[name];
    const empty = (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);
    if (fields.has(name) && value !== false && !empty) throw otherKind(fields, base, name, 'more than W + s·B·A');
  }
  const begins = fields.object['init_lora_weights'];
  if (typeof begins === 'string' && CHANGES_BASE.test(begins)) {
    throw otherKind(fields, base, 'init_lora_weights', "an adapter of changed weights, which the base's are not");
  }
  const task = fields.has('task_type') ? fields.string('task_type') : '';
  if (/CLS|QUESTION|SEQ_2_SEQ/.test(task)) {
    throw new ModelError(
      'ERR_UNKNOWN_ARCHITECTURE',
      `${fields.file}: "task_type" is ${show(task)}: an adapter of a model that gives no vectors of texts. Choose an ` +
        'adapter of an encoder (FEATURE_EXTRACTION).',
      { file: fields.file },
    );
  }
}

function otherKind({ file, object }: Fields, base: string, name: string, what: string): ModelError {
  return new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${file}: "${name}" is ${show(object[name])}: ${what}. vectune reads LoRA's matrices and whole tensors ` +
      `(modules_to_save).\n${mergeCommand(file.slice(0, -ADAPTER_CONFIG.length - 1), base)}`,
    { file },
  );
}

/** What makes a whole model of an adapter. */
function mergeCommand(folder: string, base: string): string {
  const text = (value: string) => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const target = text(`${folder}-merged`);
  const program =
    'from peft import PeftModel; from sentence_transformers import SentenceTransformer; ' +
    `m = SentenceTransformer(${text(base)}, device='cpu'); ` +
    `m[0].auto_model = PeftModel.from_pretrained(m[0].auto_model, ${text(folder)}).merge_and_unload(); m.save(${target})`;
  return (
    `Merge it into ${base} once (Python with peft and sentence-transformers), then open ${folder}-merged:\n` +
    `  python -c "${program.replaceAll(/[\\"$`]/g, '\\$&')}"`
  );
}

async function adapterWeights(folder: string): Promise<WeightSource> {
  for (const name of ADAPTER_WEIGHTS) {
    const path = join(folder, name);
    if (!(await hasAny(folder, [name]))) continue;
    if (name.endsWith('.safetensors')) return { path };
    try {
      return { path, tensors: await tensorsOfTorchFile(path) };
    } catch (error) {
      throw pickleError(path, (error as Error).message.replace(/\.$/, ''), folder, `${folder}-safetensors`);
    }
  }
  const file = join(folder, ADAPTER_WEIGHTS[0]);
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    `${file} is missing: ${folder} has an adapter's configuration and no tensors. Fetch the folder again.`,
    { file },
  );
}

/** A tensor's name without what peft puts before the model's own, and into it. */
const OWN_NAME = /^(?:base_model\.model\.)?(.*)$/;
const MATRIX = /^(.+)\.lora_(embedding_)?([AB])(?:\.(?!weight$|bias$)\w+)?(?:\.weight)?$/;
const WRAPPER = /\.(?:modules_to_save(?:\.\w+(?=\.\w+$))?|base_layer)(?=\.)/;

/** What each tensor of the file does to the base's. */
function changes(
  shapes: ReadonlyMap<string, readonly number[]>,
  fields: Fields,
  path: string,
  base: string,
): NonNullable<WeightFile['adapter']> {
  const parts = new Map<string, { a?: string; b?: string; transposed: boolean }>();
  const replaced: { target: string; tensor: string }[] = [];
  for (const name of shapes.keys()) {
    const own = OWN_NAME.exec(name)![1]!;
    const matrix = MATRIX.exec(own);
    if (matrix === null) {
      if (own.includes('lora_')) throw unknownTensor(path, name, base);
      replaced.push({ target: own.replace(WRAPPER, ''), tensor: name });
      continue;
    }
    const [, module, embedding, side] = matrix as unknown as [string, string, string | undefined, 'A' | 'B'];
    const part = parts.get(module) ?? { transposed: embedding !== undefined };
    const key = side === 'A' ? 'a' : 'b';
    if (part[key] !== undefined) throw unknownTensor(path, name, base);
    part[key] = name;
    parts.set(module, part);
  }
  const updates = [...parts].map(([module, { a, b, transposed }]): LowRankUpdate => {
    if (a === undefined || b === undefined) {
      throw new ModelError(
        'ERR_MODEL_FOLDER',
        `${path} has "${a ?? b}" and not the other of the two matrices of "${module}". Fetch the adapter again.`,
        { file: path },
      );
    }
    const rank = shapes.get(a)![0] ?? 0;
    return { target: `${module}.weight`, a, b, scale: scaleOf(module, rank, fields), transposed };
  });
  if (updates.length === 0 && replaced.length === 0) {
    throw new ModelError('ERR_MODEL_FOLDER', `${path} holds no tensors of an adapter.`, { file: path });
  }
  return { updates, replaced };
}

function unknownTensor(path: string, name: string, base: string): ModelError {
  return new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${path}: the tensor "${name}" is none of LoRA's that vectune reads (lora_A, lora_B, lora_embedding_A and B of each ` +
      `module, once).\n${mergeCommand(join(path, '..'), base)}`,
    { file: path },
  );
}

/**
 * alpha / rank, or with use_rslora alpha / √rank (Kalajdzievski 2023). `fan_in_fan_out` is of bases whose matrices stand
 * turned (GPT-2's Conv1D), which none of vectune's are: for them peft itself puts it off.
 */
function scaleOf(module: string, rank: number, fields: Fields): number {
  const patterns = fields.object['alpha_pattern'];
  const special = isObject(patterns) ? Object.keys(patterns).find((key) => matches(key, module, fields)) : undefined;
  const alpha =
    special === undefined
      ? fields.number('lora_alpha', -Infinity, Infinity, 8)
      : new Fields(patterns as typeof fields.object, `${fields.file}, "alpha_pattern"`).number(
          special,
          -Infinity,
          Infinity,
        );
  if (rank < 1) throw fields.fail('r', 'the rank of the matrices, at least 1', rank);
  return alpha / (fields.boolean('use_rslora', false) ? Math.sqrt(rank) : rank);
}

/** As peft looks a module up among patterns: the end of its name, or a regular expression for it. */
function matches(pattern: string, module: string, fields: Fields): boolean {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(module);
  } catch {
    throw fields.fail('alpha_pattern', 'patterns that are regular expressions', pattern);
  }
}

async function hasAny(folder: string, names: readonly string[]): Promise<boolean> {
  const found = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.some((info) => info?.isFile() === true);
}

/** That the base of an adapter cannot be had, or is none that can be adapted. */
export function baseUnusable({ folder, file, base }: Adapter, why: string, cause: unknown): ModelError {
  const code = cause instanceof ModelError ? cause.code : 'ERR_MODEL_FOLDER';
  return new ModelError(code, `${folder} holds an adapter of ${base}, and that cannot be opened: ${why}`, {
    file,
    cause,
    remedy: say`Write the base's id, or its folder on this machine, as "base_model_name_or_path" in ${file}.`,
  });
}
