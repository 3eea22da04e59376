import { counted, isPairs } from '../data/form';
import type { EventContent } from '../finetune/events';
import { gainWords } from '../finetune/gain-words';
import type { KeptReport } from '../finetune/keep';
import { lossName } from '../finetune/losses/told';
import { measures, measureValue, type MeasureName } from '../finetune/measure';
import type { ValidationMetrics } from '../finetune/metrics';
import { optimizerPresets } from '../finetune/optimizer';
import type { Outcome } from '../report/outcome';
import { driftWords } from '../finetune/random-pairs';
import type { FinetuneReport } from '../finetune/report';
import { messageFor, VectuneError } from '../system/errors';
import { duration, fixed, integer } from './numbers';
import { cli } from './surface';

export function describeMessage(event: { message: string; differences?: readonly string[]; error?: Error }): string {
  const { differences = [], error } = event;
  const message = error instanceof VectuneError ? messageFor(error, cli) : event.message;
  return differences.length === 0
    ? message
    : `${message}, with other numbers than it would have had: ${differences.join('; ')}`;
}

export function describeData(event: Extract<EventContent, { type: 'data' }>): string {
  const validation =
    event.validationRows > 0 ? `, ${event.validationRows} to validate with` : ', none to validate with';
  const unit = isPairs(event.form) ? 'pair' : 'row';
  return [
    event.set === null ? event.understood : `${event.set.name}: ${event.understood}`,
    `${counted(event.rows, unit)}: ${event.trainingRows} to train on${validation}`,
    `${integer(event.tokens)} tokens, the longest text has ${event.longest} (limit ${event.maxInputLength})`,
    ...event.notes,
  ].join('\n');
}

export function describeSummary(event: Extract<EventContent, { type: 'summary' }>): string {
  const { parameters, trainableParameters } = event;
  const trained = trainableParameters === parameters ? 'all trained' : `${integer(trainableParameters)} trained`;
  const limit = event.memoryLimit === null ? '' : `, at most ${(event.memoryLimit / 1e9).toFixed(1)} GB of memory`;
  return (
    `${integer(parameters)} parameters (${event.megabytes} MB), ${trained}\n` +
    `${describeRecipe(event)}\n` +
    `${event.gpu === null ? event.device : `${event.device} (${event.gpu})`}, ${event.precision}, ${counted(event.threads, 'thread')}${limit}, seed ${event.seed}`
  );
}

/** Everything that the recipe and the options came to, in some lines. */
function describeRecipe({ recipe, loss, settings }: Extract<EventContent, { type: 'summary' }>): string {
  const { effectiveBatchSize, sampler, learningRate, schedule, warmup, epochs, merge, measure, earlyStopping } =
    settings;
  const batch = `batch ${effectiveBatchSize ?? 'up to 32'}${samplerWords(sampler)}`;
  const rate = `learning rate ${learningRate < 1e-3 ? learningRate.toExponential() : learningRate} ${schedule}`;
  const ends = earlyStopping === null ? '' : `, patience ${earlyStopping.patience}`;
  const shares = merge[0] === 1 && merge.length === 1 ? 'all' : merge.join(', ').replace(/, ([^,]*)$/, ' or $1');
  const parts = settings.folds === 1 ? '' : `, in ${settings.folds} parts of the rows`;
  const clipped = settings.maxGradientNorm === null ? '' : `, gradients clipped to ${settings.maxGradientNorm}`;
  return (
    `recipe ${recipe}: loss ${lossName(loss)}\n` +
    `${batch}, ${rate}${warmupWords(warmup)}, ${counted(epochs, 'epoch')}${ends}\n` +
    `AdamW (${optimizerWords(settings.optimizer)})${clipped}\n` +
    `chosen by ${measures[measure].words}${parts}; ${shares} of the trained weights`
  );
}

type Settings = Extract<EventContent, { type: 'summary' }>['settings'];

const samplerNames = { any: '', 'no-duplicates': ' without duplicates', 'by-class': ' by class' };

function samplerWords(sampler: Settings['sampler']): string {
  if (typeof sampler === 'string') return samplerNames[sampler];
  const told = Object.entries(sampler).filter(([, one]) => one !== 'any');
  return told.length === 0 ? '' : ` (${told.map(([set, one]) => `${set}${samplerNames[one]}`).join(', ')})`;
}

function warmupWords(warmup: Settings['warmup']): string {
  if ('ratio' in warmup) return warmup.ratio === 0 ? '' : ` after ${number100(warmup.ratio)} % of warm-up`;
  return warmup.steps === 0 ? '' : ` after ${counted(warmup.steps, 'step')} of warm-up`;
}

function number100(share: number): string {
  return String(Number((100 * share).toPrecision(3)));
}

/** A preset by its name, else what differs from torch's. */
function optimizerWords(constants: Settings['optimizer']): string {
  const names = Object.keys(constants) as (keyof typeof constants)[];
  const differing = (preset: typeof constants) => names.filter((name) => constants[name] !== preset[name]);
  for (const [name, preset] of Object.entries(optimizerPresets)) if (differing(preset).length === 0) return name;
  return differing(optimizerPresets.torch)
    .map((name) => `${name} ${String(constants[name])}`)
    .join(', ');
}

export function describeDeviceMemory(event: Extract<EventContent, { type: 'device-memory' }>): string {
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  return `the GPU's memory: ${gigabytes(event.peak)} GB at most of ${gigabytes(event.total)} GB, ${gigabytes(event.free)} GB free`;
}

export function describeStep(
  event: Pick<Extract<EventContent, { type: 'trial-step' }>, 'step' | 'steps' | 'loss' | 'tokensPerSecond' | 'eta'>,
): string {
  const left = event.eta === null ? '' : `  ${duration(event.eta)} left`;
  return `${event.step}/${event.steps}  loss ${fixed(event.loss)}  ${integer(event.tokensPerSecond)} tokens/s${left}`;
}

export function describeValidation(
  { epoch, trainingLoss, metrics, measure, share, tried, best }: Extract<EventContent, { type: 'validation' }>,
  epochs: number,
  pairs: boolean,
): string {
  const name = epoch === 0 ? 'untrained' : epochName(epoch, epochs);
  const training = trainingLoss === null ? '' : `loss ${fixed(trainingLoss)}`;
  return (
    `${name.padEnd(12)}  ${training.padEnd(11)}  validation ${fixed(metrics.loss)}  ` +
    `${measured(metrics, measure, pairs)}${tried.length > 1 ? `  share ${share}` : ''}${best && epoch > 0 ? '  best' : ''}`
  ).trimEnd();
}

/** The measure that the run goes by, and of a run that goes by its loss one that the rows have. */
function measured(metrics: ValidationMetrics, measure: MeasureName, pairs: boolean): string {
  if (measure !== 'loss') return `${measures[measure].words} ${fixed(measureValue(measure, metrics))}`;
  const { spearman, tripletAccuracy, ownMrr10 } = metrics;
  if (pairs) return `Spearman ${fixed(spearman)}`;
  if (tripletAccuracy === undefined) return '';
  return `triplets right ${fixed(tripletAccuracy)}  MRR@10 of own texts ${fixed(ownMrr10 ?? null)}`;
}

/** What became of the rows to keep. */
function describeKept({ measure, rows, before, after, margin, bound }: KeptReport, outcome: Outcome): string {
  const name = measures[measure].words;
  const taken = outcome === 'taken' ? 'less of the training was taken to keep it' : 'none of the training was taken';
  const how = bound ? `; ${outcome === 'keep-failed' ? 'none of the training keeps it' : taken}` : '';
  return `kept: ${name} of ${counted(rows, 'row')} ${fixed(before)} → ${fixed(after)}, may fall by ${margin}${how}`;
}

/** Why the model is as it was. */
const untouched: Readonly<Record<Exclude<Outcome, 'taken'>, string>> = {
  'not-better': 'nothing got better, the model is as it was',
  'not-shown': 'something got better, but no gain shows on so few rows: the model is as it was',
  'keep-failed': 'no share of an epoch keeps the rows to keep, the model is as it was',
};

export function describeReport(report: FinetuneReport): string {
  const { bestEpoch, outcome, epochs, steps, tokens, seconds, gain, kept: keep, randomPairs, share } = report;
  const came =
    outcome === 'taken'
      ? `kept ${share === 1 ? '' : `${share} of `}the weights of epoch ${bestEpoch}`
      : untouched[outcome];
  return (
    `${counted(epochs.length, 'epoch')}, ${counted(steps, 'step')}, ${integer(tokens)} tokens in ${duration(seconds)}; ` +
    [
      came,
      ...(gain === null || bestEpoch === 0 ? [] : [gainWords(gain)]),
      ...(keep === null ? [] : [describeKept(keep, outcome)]),
      ...(randomPairs === null || bestEpoch === 0 ? [] : [driftWords(randomPairs)]),
    ]
      .filter((line) => line !== undefined)
      .join('\n')
  );
}

export function weightsOf(epoch: number): string {
  return epoch === 0 ? 'the untrained weights' : `the weights of epoch ${epoch}`;
}

export function epochName(epoch: number, epochs: number): string {
  return `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
}
