import { isObject, type JsonObject } from '../system/json';
import { integer } from './numbers';
import type { Outcome } from './outcome';
import type {
  RunChanged,
  RunCloseness,
  RunComparison,
  RunEpoch,
  RunGain,
  RunKept,
  RunPrompts,
  RunRecord,
  RunSearch,
  RunShare,
  RunStep,
  RunTrial,
} from './record';

/** Steps that are kept; of a longer run every second, fourth, … one. */
const MOST_STEPS = 2000;

/** What people read of a loss and its options. */
type WordsOfLoss = (loss: { name: string; [option: string]: unknown }) => string;

/**
 * Follows a run by its events, whether they come as it goes on or from a log of an earlier one, and makes its record.
 * What an event does not have is left out; what it has too much is passed by: a log may be of another version.
 */
export class RunEvents {
  #steps: RunStep[] = [];
  #every = 1;
  #counted = 0;
  #epochs = new Map<number, RunEpoch>();
  /** What was told before the last data event: an earlier run, or the part of this one that a checkpoint goes on from. */
  #earlier: { steps: RunStep[]; epochs: Map<number, RunEpoch> } = { steps: [], epochs: new Map() };
  #best = 0;
  #stoppedEarly = false;
  /** Why an epoch was not taken, where it was told. */
  #untaken: 'not-shown' | 'keep-failed' | undefined;
  #data: JsonObject = {};
  #summary: JsonObject = {};
  #report: JsonObject | undefined;
  readonly #notes: string[] = [];
  /** Of the search for learning rate and batch, as it was told. */
  #trials: RunTrial[] = [];
  #chosen: RunSearch['chosen'] = null;
  /** How the data was understood, a line for each set. */
  readonly #understood: string[] = [];
  readonly #wordsOfLoss: WordsOfLoss;

  /** @param wordsOfLoss what people read of a loss that events tell; default: its name */
  constructor(wordsOfLoss: WordsOfLoss = ({ name }) => name) {
    this.#wordsOfLoss = wordsOfLoss;
  }

  /** Whether anything of a run came. */
  get any(): boolean {
    return this.#steps.length > 0 || this.#epochs.size > 0;
  }

  /** The model that training began with, where the log tells it. */
  get model(): string | undefined {
    const model = this.#report?.['model'] ?? this.#summary['model'];
    return typeof model === 'string' ? model : undefined;
  }

  note(event: unknown): void {
    if (!isObject(event)) return;
    switch (event['type'] ?? event['kind']) {
      case 'data':
        for (const note of texts(event['notes'])) this.#notes.push(note);
        // Of several sets each is told of.
        if (isObject(event['set']) && event['set']['number'] !== 0) {
          this.#data = joined(this.#data, event);
          this.#understood.push(...understoodOf(event));
          return;
        }
        this.#understood.splice(0, Infinity, ...understoodOf(event));
        // A log is appended to: another run begins.
        this.#earlier = { steps: this.#steps, epochs: this.#epochs };
        this.#steps = [];
        this.#epochs = new Map();
        this.#best = 0;
        this.#stoppedEarly = false;
        this.#untaken = undefined;
        this.#report = undefined;
        this.#trials = [];
        this.#chosen = null;
        this.#notes.splice(0, Infinity, ...texts(event['notes']));
        this.#data = event;
        return;
      case 'summary':
        this.#summary = event;
        return;
      case 'step':
        return this.#step(event);
      case 'validation':
        return this.#validation(event);
      case 'early-stop':
        this.#stoppedEarly = true;
        return;
      case 'restored':
        this.#restored(event);
        return this.#tell(event);
      case 'keep-failed':
        this.#untaken ??= 'keep-failed';
        return this.#tell(event);
      case 'gain-not-shown':
        this.#untaken = 'not-shown';
        return this.#tell(event);
      case 'data-warning':
      case 'collapse':
      case 'out-of-memory':
        return this.#tell(event);
      case 'search':
        return this.#search(event);
      case 'done':
        if (isObject(event['report'])) this.#report = event['report'];
        return;
    }
  }

  #tell({ message }: JsonObject): void {
    if (typeof message === 'string') this.#notes.push(message);
  }

  /** The run goes on from a checkpoint: what the log has of it up to there belongs to it. */
  #restored(event: JsonObject): void {
    const [steps, epochs, best] = [event['totalSteps'], event['epoch'], event['bestEpoch']].map(number);
    if (typeof event['from'] !== 'string' || steps == null || epochs == null) return;
    this.#steps = this.#earlier.steps.filter(({ step }) => step <= steps);
    this.#epochs = new Map([...this.#earlier.epochs].filter(([epoch]) => epoch <= epochs));
    this.#best = best ?? 0;
    const known = [
      [0, event['before']],
      [this.#best, event['after']],
    ] as const;
    for (const [epoch, metrics] of known) {
      if (this.#epochs.has(epoch) || !isObject(metrics)) continue;
      this.#epochs.set(epoch, { epoch, trainingLoss: null, measures: flatMeasures(metrics) });
    }
  }

  #step(event: JsonObject): void {
    const [epoch, step, steps, total, loss, learningRate] = [
      'epoch',
      'step',
      'steps',
      'totalSteps',
      'loss',
      'learningRate',
    ].map((name) => number(event[name]));
    if (epoch === null || step === null || !steps || total === null || loss === null || learningRate === null) return;
    if (this.#counted++ % this.#every !== 0) return;
    this.#steps.push({ step: total!, epoch: epoch! - 1 + step! / steps, loss: loss!, learningRate: learningRate! });
    if (this.#steps.length <= MOST_STEPS) return;
    this.#steps = this.#steps.filter((_, i) => i % 2 === 0);
    this.#every *= 2;
  }

  #validation(event: JsonObject): void {
    const epoch = number(event['epoch']);
    if (epoch === null || !isObject(event['metrics'])) return;
    this.#epochs.set(epoch, {
      epoch,
      trainingLoss: number(event['trainingLoss']),
      measures: flatMeasures(event['metrics']),
      share: number(event['share']),
      tried: sharesOf(event['tried']),
    });
    if (event['best'] === true) this.#best = epoch;
  }

  #search(event: JsonObject): void {
    const [learningRate, effectiveBatchSize, value, seconds] = [
      event['learningRate'],
      event['effectiveBatchSize'],
      event['value'],
      event['seconds'],
    ].map(number);
    if (learningRate == null) return;
    const point = { learningRate, effectiveBatchSize: effectiveBatchSize ?? null };
    if (event['outcome'] === 'finished') this.#chosen = point;
    else {
      const before = this.#trials.reduce((sum, trial) => sum + (trial.seconds ?? 0), 0);
      // What is told is the time of the whole search.
      this.#trials.push({ ...point, value: value ?? null, seconds: seconds == null ? null : seconds - before });
    }
  }

  #searched(): RunSearch | null {
    if (this.#trials.length === 0) return null;
    const { measure } = objectOf(this.#summary['settings']);
    return {
      measure: typeof measure === 'string' ? measure : 'loss',
      rows: null,
      trials: this.#trials,
      chosen: this.#chosen,
    };
  }

  /** With what the report has of epochs that were over before a checkpoint that the run went on from. */
  #allEpochs(): RunEpoch[] {
    const epochs = new Map(this.#epochs);
    const report = this.#report ?? {};
    if (!epochs.has(0) && isObject(report['before']))
      epochs.set(0, { epoch: 0, trainingLoss: null, measures: flatMeasures(report['before']) });
    for (const told of Array.isArray(report['epochs']) ? report['epochs'].filter(isObject) : []) {
      const epoch = number(told['epoch']);
      // Of an epoch whose validation was told that is all there is to know.
      if (epoch === null || epochs.get(epoch)?.tried !== undefined || !isObject(told['validation'])) continue;
      epochs.set(epoch, {
        epoch,
        trainingLoss: number(told['trainingLoss']),
        measures: flatMeasures(told['validation']),
        share: number(told['share']),
        tried: sharesOf(told['tried']),
      });
    }
    return [...epochs.values()].sort((a, b) => a.epoch - b.epoch);
  }

  /** As the report has it; of a log without one, by what was told of its epochs. */
  #outcome(bestEpoch: number): Outcome {
    const told = outcomes.find((one) => one === this.#report?.['outcome']);
    return told ?? (bestEpoch > 0 ? 'taken' : (this.#untaken ?? 'not-better'));
  }

  record(more: {
    model: string;
    folder: string | null;
    surface?: 'api' | 'cli';
    stopped?: string | null;
    comparison: RunComparison | null;
    changed?: RunChanged | null;
    closeness?: RunCloseness[] | null;
    unshown?: string | null;
    versions: Record<string, string>;
    created: Date;
  }): RunRecord {
    const report = this.#report ?? {};
    const { comparison, changed = null, closeness = null, unshown = null, stopped = null, created, ...rest } = more;
    const epochs = this.#allEpochs();
    const random = isObject(report['randomPairs']) ? report['randomPairs'] : {};
    const [pairs, before, after, meanChange] = ['pairs', 'before', 'after', 'meanChange'].map((name) =>
      number(random[name]),
    );
    return {
      format: 'vectune-run',
      version: 1,
      created: created.toISOString(),
      ...rest,
      data: [...this.#understood, ...describeData(this.#data)],
      settings: settingsOf(
        { ...objectOf(this.#summary['settings']), ...this.#summary, ...this.#data, ...report },
        this.#wordsOfLoss,
      ),
      form: typeof this.#data['form'] === 'string' ? this.#data['form'] : null,
      prompts: promptsOf(report['prompts'] ?? objectOf(this.#summary['settings'])['prompts']),
      stopped,
      versions: {
        ...rest.versions,
        ...versionsOf(this.#summary['versions']),
        ...(typeof report['libtorch'] === 'string' && { LibTorch: report['libtorch'] }),
      },
      steps: this.#steps,
      epochs,
      primary: primaryOf(report, epochs),
      chosenBy: typeof report['measure'] === 'string' ? report['measure'] : 'loss',
      bestEpoch: number(report['bestEpoch']) ?? this.#best,
      stoppedEarly: report['stoppedEarly'] === true || this.#stoppedEarly,
      seconds: number(report['seconds']),
      comparison,
      changed,
      closeness,
      unshown,
      search: searchOf(report['search']) ?? this.#searched(),
      kept: keptOf(report['kept']),
      gain: gainOf(report['gain']),
      crossCheck: crossCheckOf(report['crossCheck']),
      outcome: this.#outcome(number(report['bestEpoch']) ?? this.#best),
      drift:
        typeof pairs === 'number' && typeof before === 'number' && typeof after === 'number'
          ? { pairs, before, after, spearman: number(random['spearman']), meanChange: meanChange! }
          : null,
      notes: [...new Set(this.#notes)],
    };
  }
}

/** Of the run, where it tells them: what makes the page may be another. */
function versionsOf(told: unknown): Record<string, string> {
  const versions = Object.entries(objectOf(told)).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return Object.fromEntries(versions);
}

function promptsOf(told: unknown): RunPrompts | null {
  if (typeof told === 'string') return told === '' ? null : told;
  if (!isObject(told)) return null;
  const some = Object.entries(told).flatMap(([name, one]): [string, RunPrompts][] => {
    const prompts = promptsOf(one);
    return prompts === null ? [] : [[name, prompts]];
  });
  return some.length === 0 ? null : Object.fromEntries(some);
}

/** What a run's report tells of its search. */
function searchOf(told: unknown): RunSearch | null {
  if (!isObject(told) || typeof told['measure'] !== 'string' || !Array.isArray(told['trials'])) return null;
  const [training, validation] = ['training', 'validation'].map((name) => number(objectOf(told['rows'])[name]));
  const point = (of: JsonObject) => ({
    learningRate: number(of['learningRate']) ?? Number.NaN,
    effectiveBatchSize: number(of['effectiveBatchSize']),
  });
  return {
    measure: told['measure'],
    rows: training == null || validation == null ? null : { training, validation },
    trials: told['trials']
      .filter(isObject)
      .map((trial) => ({ ...point(trial), value: number(trial['value']), seconds: number(trial['seconds']) })),
    chosen: isObject(told['chosen']) ? point(told['chosen']) : null,
  };
}

/** What is told of several sets, as of one. */
function joined(before: JsonObject, event: JsonObject): JsonObject {
  const sum = ['rows', 'trainingRows', 'validationRows', 'tokens'].map((name): [string, number] => [
    name,
    (number(before[name]) ?? 0) + (number(event[name]) ?? 0),
  ]);
  const longest = Math.max(number(before['longest']) ?? 0, number(event['longest']) ?? 0);
  return { ...before, ...Object.fromEntries(sum), longest, file: null, form: null };
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

/** Numbers by name; of a measure at its best threshold the value and the threshold. */
function flatMeasures(metrics: JsonObject): Record<string, number | null> {
  const flat: Record<string, number | null> = {};
  for (const [name, value] of Object.entries(metrics)) {
    // Earlier versions had two of this name.
    if (name === 'mrr10') flat['ownMrr10'] = number(value);
    else if (value === null || typeof value === 'number') flat[name] = number(value);
    else if (name === 'retrieval' && isObject(value)) {
      for (const [inner, found] of Object.entries(value)) if (/\d$/.test(inner)) flat[inner] = number(found);
    } else if (name === 'sets' && isObject(value)) {
      for (const [set, own] of Object.entries(value)) {
        if (!isObject(own)) continue;
        for (const [inner, found] of Object.entries(flatMeasures(own))) flat[`${set}: ${inner}`] = found;
      }
    } else if (isObject(value) && 'value' in value) {
      flat[name] = number(value['value']);
      if ('threshold' in value) flat[`${name}Threshold`] = number(value['threshold']);
    }
  }
  return flat;
}

function understoodOf({ set, understood }: JsonObject): string[] {
  if (typeof understood !== 'string') return [];
  return [isObject(set) && typeof set['name'] === 'string' ? `${set['name']}: ${understood}` : understood];
}

function sharesOf(tried: unknown): RunShare[] {
  if (!Array.isArray(tried)) return [];
  return tried.filter(isObject).flatMap(({ share, value, kept }) => {
    const one = number(share);
    return one === null ? [] : [{ share: one, value: number(value), kept: number(kept) }];
  });
}

/** What a run's report tells of the rows to keep. */
function keptOf(told: unknown): RunKept | null {
  if (!isObject(told) || typeof told['measure'] !== 'string') return null;
  const [rows, before, after, margin] = ['rows', 'before', 'after', 'margin'].map((name) => number(told[name]));
  return {
    measure: told['measure'],
    rows: rows!,
    before: before!,
    after: after!,
    margin: margin!,
    bound: told['bound'] === true,
  };
}

/** What a run's report tells of its gain. */
function gainOf(told: unknown): RunGain | null {
  if (!isObject(told) || typeof told['measure'] !== 'string') return null;
  const [a, b, difference, confidence] = ['before', 'after', 'difference', 'confidence'].map((name) =>
    number(told[name]),
  );
  const { interval } = told;
  const [low, high] = isObject(interval) ? [number(interval['low']), number(interval['high'])] : [null, null];
  const verdict = verdicts.find((one) => one === told['verdict']) ?? null;
  return {
    measure: told['measure'],
    a: a!,
    b: b!,
    difference: difference!,
    interval: low === null || high === null ? null : { low, high },
    verdict,
    confidence: confidence!,
  };
}

function crossCheckOf(told: unknown): NonNullable<RunRecord['crossCheck']> | null {
  if (!isObject(told)) return null;
  const [folds, rows] = [number(told['folds']), number(told['rows'])];
  return folds === null || rows === null ? null : { folds, rows };
}

const outcomes: readonly Outcome[] = ['taken', 'not-better', 'not-shown', 'keep-failed'];

const verdicts = ['better', 'worse', 'within noise'] as const satisfies readonly RunGain['verdict'][];

/** The measure that the run went by; of a run that does not tell, the one that its data asks for. */
function primaryOf(report: JsonObject, epochs: readonly RunEpoch[]): string {
  const first = epochs[0]?.measures ?? {};
  const told = report['measure'];
  if (typeof told === 'string' && told in first) return told;
  const known = [
    'average',
    'averagePrecision',
    'mrr10',
    'spearman',
    'knnAccuracy',
    'labelAccuracy',
    'teacherAgreement',
  ];
  return known.find((name) => typeof first[name] === 'number') ?? 'loss';
}

function describeData(event: JsonObject): string[] {
  const [rows, training, validation, tokens, longest] = [
    'rows',
    'trainingRows',
    'validationRows',
    'tokens',
    'longest',
  ].map((name) => number(event[name]));
  const lines: string[] = [];
  if (rows != null && training != null && validation != null) {
    lines.push(`${integer(rows)} rows: ${integer(training)} to train on, ${integer(validation)} to validate with.`);
  }
  if (tokens != null && longest != null) {
    lines.push(`${integer(tokens)} tokens in all; the longest text has ${integer(longest)}.`);
  }
  const { file } = event;
  if (isObject(file) && isObject(file['columns'])) {
    lines.push(`Columns: ${Object.values(file['columns']).map(String).join(', ')} (${String(file['format'])}).`);
  }
  return lines;
}

const settingNames: Record<string, string> = {
  recipe: 'Recipe',
  loss: 'Loss',
  measure: 'Measure',
  share: 'Share of the trained weights (α)',
  learningRate: 'Learning rate',
  schedule: 'Schedule',
  warmupSteps: 'Warm-up steps',
  effectiveBatchSize: 'Rows of a step',
  batchSize: 'Rows computed at once',
  maxInputLength: 'Most tokens of a text',
  steps: 'Steps',
  seed: 'Seed',
  precision: 'Precision',
  device: 'Device',
  gpu: 'GPU',
  threads: 'Threads',
  parameters: 'Parameters',
  trainableParameters: 'Parameters trained',
};

/** Of what a recipe and the options came to, what is no number or word. */
function askedFor({
  warmup,
  epochs,
  earlyStopping,
  maxGradientNorm,
  merge,
  folds,
  sampler,
  prompts,
  dropout,
  freeze,
  validationSplit,
  groupedSplit,
  shuffle,
}: JsonObject) {
  const rise = objectOf(warmup);
  const [ratio, steps, patience] = [rise['ratio'], rise['steps'], objectOf(earlyStopping)['patience']].map(number);
  const [most, norm, parts] = [epochs, maxGradientNorm, folds].map(number);
  const shares = Array.isArray(merge) ? merge.filter((share) => typeof share === 'number') : [];
  const frozen = texts(freeze);
  const samplers = Object.entries(objectOf(sampler)).map(([set, name]) => `${set}: ${String(name)}`);
  return {
    ...(ratio != null && { 'Warm-up, share of the steps': ratio }),
    ...(steps != null && { 'Warm-up, steps': integer(steps) }),
    ...(most != null && { 'Epochs, at most': integer(most) }),
    ...(patience != null && { 'Patience, epochs': integer(patience) }),
    ...(norm != null && { 'Gradients clipped to': norm }),
    ...(shares.length > 0 && { 'Shares to choose from': shares.join(', ') }),
    ...(parts != null && parts > 1 && { 'Parts of the rows measured in turn': integer(parts) }),
    ...(typeof sampler === 'string' && { Batches: sampler }),
    ...(samplers.length > 0 && { Batches: samplers.join(', ') }),
    ...(promptsOf(prompts) !== null && { 'Before the texts': promptWords(promptsOf(prompts)!) }),
    ...(number(dropout) !== null && { Dropout: number(dropout) }),
    ...(frozen.length > 0 && { 'Not trained': frozen.join(', ') }),
    ...(number(validationSplit) !== null && { 'Share of the rows held out': number(validationSplit) }),
    ...(groupedSplit === false && { 'Held-out rows share no text with others': false }),
    ...(shuffle === false && { 'Rows in a new order each epoch': false }),
  };
}

/** As a line. */
function promptWords(prompts: RunPrompts): string {
  if (typeof prompts === 'string') return JSON.stringify(prompts);
  return Object.entries(prompts)
    .map(([name, one]) => (typeof one === 'string' ? `${name} ${JSON.stringify(one)}` : `${name}: ${promptWords(one)}`))
    .join(', ');
}

function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

function settingsOf(facts: JsonObject, wordsOfLoss: WordsOfLoss): Record<string, string | number | boolean | null> {
  const settings: Record<string, string | number | boolean | null> = {};
  for (const [name, title] of Object.entries(settingNames)) {
    const value = facts[name];
    const finite = number(value);
    if (finite !== null) settings[title] = Number.isInteger(finite) ? integer(finite) : finite;
    else if (typeof value === 'string' || typeof value === 'boolean') settings[title] = value;
    else if (name === 'loss' && isObject(value) && typeof value['name'] === 'string')
      settings[title] = wordsOfLoss({ ...value, name: value['name'] });
  }
  Object.assign(settings, askedFor(objectOf(facts['settings'])));
  const { optimizer } = facts;
  if (isObject(optimizer)) {
    settings['AdamW'] = Object.entries(optimizer)
      .map(([name, value]) => `${name} ${String(value)}`)
      .join(', ');
  }
  return settings;
}
