import type { CollectedData } from '../data/source';
import type { Checkpointer } from './checkpoint/checkpointer';
import type { FoundCheckpoint } from './checkpoint/restore';
import { SHOWN, type CrossCheck } from './cross-check';
import { INTERVALS } from './gain';
import { keptReport } from './keep';
import type { LoopResult } from './loop';
import type { ResolvedLoss } from './losses/choice';
import { outcomeOf } from './outcome';
import type { Progress } from './progress';
import { toldPrompts, type RowsPrompts } from './prompts';
import { reported } from './random-pairs';
import type { RunSettings, ToldSettings } from './recipes/settings';
import type { CheckpointReport, FinetuneReport } from './report';
import type { ResolvedOptions } from './resolved-options';
import { gainsOf, setReports } from './sets/report';
import type { TrainingSet } from './sets/training-set';

/** What a run was, and what it came to. */
export interface ReportRequest {
  settings: RunSettings;
  told: ToldSettings;
  prompts: readonly RowsPrompts[];
  sets: readonly TrainingSet[];
  /** Of each set. */
  losses: readonly ResolvedLoss[];
  /** Of a small set: what was measured beside the run. */
  crossCheck: CrossCheck | null;
  /** Of the one set of a run: the rows that were measured. */
  measured: Int32Array;
  /** The rows to keep, and by how much their measure might fall. */
  keep: CollectedData | null;
  margin: number;
  progress: Progress;
  loop: LoopResult;
  maxInputLength: number;
  facts: Pick<
    FinetuneReport,
    | 'model'
    | 'loss'
    | 'precision'
    | 'device'
    | 'gpu'
    | 'threads'
    | 'seed'
    | 'parameters'
    | 'trainableParameters'
    | 'libtorch'
  >;
  checkpoint: CheckpointReport | null;
  /** By `performance.now()`. */
  started: number;
  signal: AbortSignal;
}

/** The report of a run that is over. */
export async function finalReport(request: ReportRequest): Promise<FinetuneReport> {
  const { settings, told, prompts, sets, losses, crossCheck, measured, keep, margin, progress, loop } = request;
  const { before, after, epochs, bestEpoch, steps, tokens, microBatch, effectiveBatch } = progress;
  const { measure, units, share } = progress;
  const confidence = crossCheck === null ? INTERVALS.confidence : SHOWN;
  const gains = await gainsOf(sets, losses, measured, { measure, units, before, after }, confidence, request.signal);
  return {
    recipe: settings.recipe,
    settings: told,
    measure: measure ?? null,
    gain: gains.all,
    prompts: toldPrompts(prompts, sets),
    crossCheck: crossCheck === null ? null : { folds: crossCheck.folds, rows: measured.length },
    search: progress.search ?? null,
    kept: keptReport(keep, margin, progress.kept),
    share: bestEpoch === 0 ? 0 : (share ?? 1),
    before,
    after,
    randomPairs: reported(progress.randomPairs),
    epochs,
    bestEpoch,
    outcome: outcomeOf(bestEpoch, epochs),
    stoppedEarly: loop.stoppedEarly,
    rows: {
      training: sets.reduce((sum, { split }) => sum + split.train.length, 0),
      validation: sets.reduce((sum, { split }) => sum + split.validation.length, 0),
    },
    sets: sets.length === 1 ? null : setReports(sets, losses, gains.sets),
    steps,
    tokens,
    batchSize: microBatch,
    effectiveBatchSize: effectiveBatch,
    maxInputLength: request.maxInputLength,
    learningRate: settings.learningRate,
    schedule: settings.schedule,
    warmupSteps: loop.warmupSteps,
    optimizer: settings.optimizer,
    ...request.facts,
    checkpoint: request.checkpoint,
    seconds: (performance.now() - request.started) / 1000,
  };
}

export function checkpointReport(
  checkpoint: ResolvedOptions['checkpoint'],
  found: FoundCheckpoint | null,
  checkpointer: Checkpointer | null,
): CheckpointReport {
  const error = checkpointer?.lastError ?? null;
  return {
    folder: checkpoint?.folder ?? null,
    restoredFrom: found?.path ?? null,
    written: checkpointer?.written ?? 0,
    failed: checkpointer?.failed ?? 0,
    error: error && { code: error.code, message: error.message },
  };
}
