import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { PairData } from '../../data/pair';
import { CheckpointError } from '../../system/errors';
import type { ResolvedOptions } from '../options';
import type { TokenisedTexts } from '../tokens';
import type { EngineAddon, NativePrecision } from '../../engine/addon';
import type { ChosenDevice } from '../../engine/devices';

/** Rows hashed at once; between them the event loop has its turn. */
const rowsAtOnce = 4096;

/** What a run is: two runs that agree in all of it give the same numbers. Plain data. */
export interface RunIdentity {
  /** `before`: checksum of the weights that training began with. */
  model: { id: string; before: string };
  data: { rows: number; sha256: string };
  /** Hash of the tokens that the tokenizer makes of the data, prompt and maxInputLength included. */
  tokenizer: string;
  options: Record<string, unknown>;
  /** What the bits of a sum depend on. */
  arithmetic: Record<string, unknown>;
}

export async function hashData(data: PairData): Promise<string> {
  const hash = createHash('sha256');
  for (let first = 0; first < data.pairs.length; first += rowsAtOnce) {
    const scores = data.scores.slice(first, first + rowsAtOnce);
    hash.update(JSON.stringify([data.pairs.slice(first, first + rowsAtOnce), Array.from(scores)]));
    await new Promise(setImmediate);
  }
  return hash.digest('hex');
}

export async function hashTokens({ ids, offsets }: TokenisedTexts): Promise<string> {
  const hash = createHash('sha256');
  for (const array of [offsets, ids]) {
    for (let first = 0; first < array.length; first += 64 * rowsAtOnce) {
      const part = array.subarray(first, first + 64 * rowsAtOnce);
      hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength));
      await new Promise(setImmediate);
    }
  }
  return hash.digest('hex');
}

/** The options that the numbers depend on, as they were given; a batch size that was found is in the progress. */
export function optionsOf(options: ResolvedOptions): Record<string, unknown> {
  const {
    // Where the data is, who listens, how much memory there is and where checkpoints go changes no number.
    memoryLimit: _memoryLimit,
    memoryFraction: _memoryFraction,
    file: _file,
    checkpoint: _checkpoint,
    resume: _resume,
    allowInexact: _allowInexact,
    signal: _signal,
    onProgress: _onProgress,
    // Which device it came to is of the arithmetic.
    device: _device,
    ...rest
  } = options;
  return { ...rest };
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
    // Which of equal GPUs it is makes no difference.
    device: gpu ?? device,
    processor: cpus()[0]?.model ?? '',
    features: (await processorFeatures()).join(' '),
    ...Object.fromEntries(kernelLimits.map((name) => [name, process.env[name] ?? null])),
  };
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

/** Refuses to go on where the run is another one. @throws CheckpointError ERR_CHECKPOINT_MISMATCH names what differs */
export function checkSameRun(
  before: RunIdentity,
  now: RunIdentity,
  committed: string | null,
  epochsDone: number,
  folder: string,
): void {
  const found: string[] = [];
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
  const { epochs: epochsBefore, ...optionsBefore } = before.options;
  const { epochs: epochsNow, ...optionsNow } = now.options;
  found.push(...differences(optionsBefore, optionsNow));
  // A steady learning rate does not know how many epochs there will be.
  const free = optionsBefore.schedule === 'constant' && 'steps' in (optionsBefore.warmup as object);
  if (epochsBefore !== epochsNow && !(free && (epochsNow as number) >= epochsDone)) {
    found.push(...differences(epochsBefore, epochsNow, 'epochs'));
  }
  if (found.length === 0) return;
  throw new CheckpointError(
    'ERR_CHECKPOINT_MISMATCH',
    `The checkpoint ${folder} is of another run: ${found.join('; ')}. Resume ` +
      'with what it was begun with, or name another folder to begin a new run.',
    { file: folder },
  );
}
