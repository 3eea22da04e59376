import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { TrainingData } from '../../data/form';
import { CheckpointError } from '../../system/errors';
import { losses, type Sampler, type SimpleLossName } from '../losses/table';
import { firstLoss } from '../losses/told';
import { within } from '../losses/within';
import type { ResolvedOptions } from '../resolved-options';
import type { RunSettings } from '../recipes/settings';
import type { TrainingSet } from '../sets/training-set';
import type { TokenisedRows } from '../tokens';
import type { EngineAddon } from '../../engine/addon';
import type { NativePrecision } from '../../engine/compute';
import type { NativeModelSpec } from '../../engine/model-spec';
import type { NativeLoss } from '../../engine/training';
import type { ChosenDevice } from '../../engine/devices';
import { option, say, words, type Wording } from '../../system/wording';

/** Rows hashed at once; between them the event loop has its turn. */
const rowsAtOnce = 4096;

/** What is done with a model's weights. */
export interface Computation {
  encoder: Record<string, unknown>;
  head: unknown;
}

/** What a run is: two runs that agree in all of it give the same numbers. Plain data. */
export interface RunIdentity {
  /**
   * `before`: checksum of the weights that training began with; `computes`: what is done with them (shape, heads,
   * activations, eps, dropout, pooling, Dense, LayerNorm, Normalize). Checkpoints of versions that did not ask for it lack that.
   */
  model: { id: string; before: string; computes?: Computation };
  data: { rows: number; sha256: string };
  /** Hash of the tokens that the tokenizer makes of the data, prompt and maxInputLength included. */
  tokenizer: string;
  options: Record<string, unknown>;
  /** What the bits of a sum depend on. */
  arithmetic: Record<string, unknown>;
}

/** Of several sets: of their names and of the rows of each. */
export async function hashSets(sets: readonly Pick<TrainingSet, 'name' | 'data'>[]): Promise<string> {
  if (sets.length === 1) return hashData(sets[0]!.data);
  const hash = createHash('sha256');
  for (const { name, data } of sets) hash.update(JSON.stringify([name, await hashData(data)]));
  return hash.digest('hex');
}

export async function hashData({ rows, labels, labelWidth }: TrainingData): Promise<string> {
  const hash = createHash('sha256');
  // A teacher's vectors are many numbers.
  const atOnce = Math.max(1, Math.floor(rowsAtOnce / Math.max(1, labelWidth)));
  for (let first = 0; first < rows.length; first += atOnce) {
    const some = rows.slice(first, first + atOnce);
    const numbers = Array.from({ length: some.length * labelWidth }, (_, i) => labels[first * labelWidth + i]);
    hash.update(JSON.stringify([some, numbers]));
    await new Promise(setImmediate);
  }
  return hash.digest('hex');
}

/** Of the tokens as rows have them: where the texts of all columns end, then their ids. */
export async function hashTokens({ ids, offsets, columns }: TokenisedRows): Promise<string> {
  const hash = createHash('sha256');
  const buffer = new Int32Array(64 * rowsAtOnce);
  let used = 0;
  const flush = async (): Promise<void> => {
    hash.update(new Uint8Array(buffer.buffer, 0, 4 * used));
    used = 0;
    await new Promise(setImmediate);
  };
  let end = 0;
  buffer[used++] = end;
  for (const text of columns) {
    if (used === buffer.length) await flush();
    buffer[used++] = end += offsets[text + 1]! - offsets[text]!;
  }
  for (const text of columns) {
    for (let token = offsets[text]!; token < offsets[text + 1]!; ++token) {
      if (used === buffer.length) await flush();
      buffer[used++] = ids[token]!;
    }
  }
  await flush();
  return hash.digest('hex');
}

/**
 * The options that the numbers depend on, with what the recipe says where they do not; a batch size that was found is in the
 * progress.
 *
 * @param groupedSplit whether texts that rows share changed the split, of several sets each
 */
export function optionsOf(
  options: ResolvedOptions,
  { loss: _, ...settings }: RunSettings,
  loss: NativeLoss,
  groupedSplit: boolean | readonly boolean[],
): Record<string, unknown> {
  const {
    // Where the data is, who listens, how much memory there is and where checkpoints go changes no number.
    memoryLimit: _memoryLimit,
    memoryFraction: _memoryFraction,
    file: _file,
    allowConstantScores: _allowConstantScores,
    checkpoint: _checkpoint,
    resume: _resume,
    allowInexact: _allowInexact,
    report: _report,
    signal: _signal,
    onProgress: _onProgress,
    // What was trained on is in the hash of the data.
    onBadRow: _onBadRow,
    teacher: _teacher,
    teacherFile: _teacherFile,
    split: _split,
    // As it came to be: see `checkSameRun`.
    loss: _loss,
    // Its rows are hashed.
    keep: _keep,
    // What it chose is among the settings.
    search: _search,
    // Which device it came to is of the arithmetic.
    device: _device,
    ...rest
  } = options;
  return { ...rest, ...settings, loss, groupedSplit };
}

/** What versions did that did not write it into their checkpoints: the notebook's recipe. */
const untoldOptions = {
  loss: firstLoss,
  groupedSplit: false,
  recipe: 'notebook',
  measure: 'loss',
  merge: [1],
  keep: null,
  multiDatasetSampler: null,
  prompts: null,
  folds: 1,
};

/** How batches came together in versions that did not say it: as the loss wants them. */
function usualSampler(loss: NativeLoss): Sampler | Record<string, Sampler> {
  const of = (one: NativeLoss): Sampler =>
    (losses[one.name as SimpleLossName] as { sampler?: Sampler } | undefined)?.sampler ??
    within(one)
      .map(of)
      .find((sampler) => sampler !== 'any') ??
    'any';
  if (loss.name !== 'several') return of(loss);
  const sets = Object.entries(loss['sets'] as Record<string, NativeLoss>);
  return Object.fromEntries(sets.map(([set, own]) => [set, of(own)]));
}

/** What a model does with its weights in training, as a checkpoint keeps it: every field of the spec. */
export function computationOf({ encoder, head }: NativeModelSpec, dropout: number | null): Computation {
  // The run's own dropout stands in for both of the model's.
  const own = dropout === null ? {} : { hiddenDropout: dropout, attentionDropout: dropout };
  return { encoder: { ...encoder, ...own }, head };
}

/** Limits that people set on the kernels which libraries choose. */
const kernelLimits = [
  'ATEN_CPU_CAPABILITY',
  'ONEDNN_MAX_CPU_ISA',
  'DNNL_MAX_CPU_ISA',
  'MKL_ENABLE_INSTRUCTIONS',
  'MKL_CBWR',
];

/** The processor's vector extensions, as Linux tells them; none where it does not. */
async function processorFeatures(): Promise<string[]> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? [];
  return flags.filter((flag) => /^(avx|fma|f16c|amx|sse4|asimd|sve|bf16)/.test(flag)).sort();
}

export async function arithmeticOf(
  addon: Pick<EngineAddon, 'info'>,
  precision: NativePrecision,
  { device, gpu }: Pick<ChosenDevice, 'device' | 'gpu'>,
): Promise<Record<string, unknown>> {
  const { libtorch, addon: vectune, simd, gemm, threads } = addon.info();
  return {
    vectune,
    libtorch,
    threads,
    precision,
    simd,
    gemm,
    // Of two rows with the same text too: it is computed once.
    dropoutMaskOf: 'distinct text',
    // Which of equal GPUs it is makes no difference.
    device: gpu ?? device,
    processor: cpus()[0]?.model ?? '',
    features: (await processorFeatures()).join(' '),
    ...Object.fromEntries(kernelLimits.map((name) => [name, process.env[name] ?? null])),
  };
}

/** What versions did that did not write it into their checkpoints. */
const untoldArithmetic = { dropoutMaskOf: 'text of a row' };

/** Of a checkpoint's arithmetic and that of now. */
export function arithmeticDifferences(before: RunIdentity, now: RunIdentity): string[] {
  return differences({ ...untoldArithmetic, ...before.arithmetic }, now.arithmetic);
}

/** `name: … in the checkpoint, … now` for whatever differs; names of nested values are joined by dots. */
export function differences(before: unknown, now: unknown, name = ''): string[] {
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject(before) && isObject(now)) {
    return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((key) =>
      differences(before[key], now[key], name === '' ? key : `${name}.${key}`),
    );
  }
  const [a, b] = [before, now].map((value) => JSON.stringify(value) ?? 'nothing');
  return a === b ? [] : [`${name}: ${a} in the checkpoint, ${b} now`];
}

/** A name that stands in one of them only is the encoder's of another version of vectune, and no difference to name. */
function commonDifferences(before: Record<string, unknown>, now: Record<string, unknown>): string[] {
  const both = Object.keys(before).filter((name) => name in now);
  const pick = (from: Record<string, unknown>) => Object.fromEntries(both.map((name) => [name, from[name]]));
  return differences(pick(before), pick(now), 'model.encoder');
}

/**
 * What a checkpoint does not say of how its model computes, as it is from a version of vectune that did not write it:
 * whether it is the same cannot be known.
 */
export function untold(before: RunIdentity, now: RunIdentity): string[] {
  const [then, here] = [before.model.computes, now.model.computes!];
  if (then === undefined) {
    return ['model: pooling, heads, activations, eps, dropout and Normalize are not told in the checkpoint'];
  }
  return Object.entries(here.encoder)
    .filter(([name]) => !(name in then.encoder))
    .map(([name, value]) => `model.encoder.${name}: not told in the checkpoint, ${JSON.stringify(value)} now`);
}

/** A difference between options: `name: …`, with the name of the option that is given. */
function ofOption(difference: string): Wording {
  const colon = difference.indexOf(':');
  const name = difference.slice(0, colon);
  const given: Record<string, string> = { 'warmup.steps': 'warmupSteps', 'warmup.ratio': 'warmupRatio' };
  const [owner, member] = name.split('.');
  const named =
    (owner === 'optimizer' || owner === 'prompts' || owner === 'sampler') && member !== undefined
      ? words(name, say`${option(owner)} (${member})`)
      : option(given[name] ?? name);
  return say`${named}${difference.slice(colon)}`;
}

/** Refuses to go on where the run is another one. @throws CheckpointError ERR_CHECKPOINT_MISMATCH names what differs */
export function checkSameRun(
  before: RunIdentity,
  now: RunIdentity,
  committed: string | null,
  epochsDone: number,
  folder: string,
): void {
  const found: (string | Wording)[] = [];
  if (before.data.sha256 !== now.data.sha256) {
    found.push(
      `data: ${before.data.rows} rows in the checkpoint, ${now.data.rows} ` +
        `${before.data.rows === now.data.rows ? 'others ' : ''}now`,
    );
  } else if (before.tokenizer !== now.tokenizer) {
    found.push('tokenizer: it makes other tokens of the same texts now');
  }
  if (now.model.before !== before.model.before && now.model.before !== committed) {
    const same = before.model.id === now.model.id;
    found.push(
      `model: ${before.model.id} in the checkpoint, ${same ? 'other weights' : now.model.id} now${
        same ? ' (where this model was trained on since, open it anew)' : ''
      }`,
    );
  }
  if (before.model.computes !== undefined) {
    const [then, here] = [before.model.computes, now.model.computes!];
    found.push(...commonDifferences(then.encoder, here.encoder), ...differences(then.head, here.head, 'model.head'));
  }
  const { epochs: epochsBefore, ...optionsBefore } = {
    ...untoldOptions,
    sampler: usualSampler((before.options['loss'] as NativeLoss | undefined) ?? firstLoss),
    ...before.options,
  } as RunIdentity['options'];
  const { epochs: epochsNow, ...optionsNow } = now.options;
  found.push(...differences(optionsBefore, optionsNow).map(ofOption));
  // A steady learning rate does not know how many epochs there will be.
  const free = optionsBefore.schedule === 'constant' && 'steps' in (optionsBefore.warmup as object);
  if (epochsBefore !== epochsNow && !(free && (epochsNow as number) >= epochsDone)) {
    found.push(...differences(epochsBefore, epochsNow, 'epochs').map(ofOption));
  }
  if (found.length === 0) return;
  throw new CheckpointError(
    'ERR_CHECKPOINT_MISMATCH',
    say`The checkpoint ${folder} is of another run: ${found.flatMap((one, i) => (i === 0 ? one : ['; ', ...say`${one}`]))}.`,
    { file: folder, remedy: say`Resume with what it was begun with, or name another folder to begin a new run.` },
  );
}
