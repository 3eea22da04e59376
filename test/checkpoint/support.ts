import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FinetuneOptions, ScoredRow } from '../../lib';

/** Options under which everything that a checkpoint holds has an effect: dropout, decay, clipping, a schedule, an order. */
export const EVERYTHING: FinetuneOptions = {
  recipe: 'notebook',
  epochs: 3,
  learningRate: 1e-3,
  batchSize: 4,
  effectiveBatchSize: 8,
  earlyStopping: false,
  precision: 'fp32',
  seed: 5,
  schedule: 'cosine',
  warmupSteps: 3,
  maxGradientNorm: 0.5,
  dropout: 0.2,
  optimizer: { weightDecay: 0.05, eps: 1e-7 },
};

export const stepsIn = (folder: string): number[] => names(folder).map((name) => Number(name.slice(5)));

/** Checkpoints of a folder, the oldest first. */
export function names(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /^step-\d+$/.test(name))
        .sort()
    : [];
}

/** What a folder holds besides checkpoints and the lock. */
export const leftOvers = (folder: string): string[] =>
  readdirSync(folder).filter((name) => !/^step-\d+$/.test(name) && name !== 'lock.json');

/** A folder with the checkpoints of another up to one of them. */
export function upTo(folder: string, last: string, target: string): string {
  mkdirSync(target, { recursive: true });
  for (const name of names(folder))
    if (name <= last) cpSync(join(folder, name), join(target, name), { recursive: true });
  return target;
}

/** All tensors of a checkpoint or a saved model, as text: equal where every bit is. */
export function tensors(path: string): Record<string, string> {
  const file = readFileSync(path);
  const data = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, data)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [
          name,
          `${dtype} [${shape.join()}] ${createHash('sha256')
            .update(file.subarray(data + begin, data + end))
            .digest('hex')}`,
        ],
      ),
  );
}

export const state = (folder: string, name: string): Record<string, string> =>
  tensors(join(folder, name, 'state.safetensors'));

export interface TrainJob {
  model: string;
  rows: readonly ScoredRow[];
  options: FinetuneOptions;
  log: string;
  out: string;
}

export interface LoggedStep {
  kind: 'step';
  step: number;
  rows: number[];
  microBatch: number;
  loss: number;
  tokens: number;
}
export type LogLine = LoggedStep | ({ kind: string } & Record<string, unknown>);

export interface Training {
  child: ChildProcess;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>;
}

/** Runs programs/train.cjs as a process of its own; `shell` commands come before it. */
export function startTraining(job: TrainJob, shell?: string): Training {
  const program = join(__dirname, 'programs', 'train.cjs');
  const { NODE_OPTIONS: _, ...env } = process.env;
  const options = {
    env,
    stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'],
    timeout: 50_000,
    killSignal: 'SIGKILL' as const,
  };
  const args = [program, JSON.stringify(job)];
  const child =
    shell === undefined
      ? spawn(process.execPath, args, options)
      : spawn('bash', ['-c', `${shell}; exec "$0" "$@"`, process.execPath, ...args], options);
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null; stderr: string }>(
    (resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    },
  );
  return { child, ended };
}

/** Lines that were logged so far; one that is cut off by a kill does not count. */
export function logged(file: string): LogLine[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

export const steps = (lines: readonly LogLine[]): LoggedStep[] =>
  lines.filter((line): line is LoggedStep => line.kind === 'step');
