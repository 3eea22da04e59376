import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Random, Stream } from '../data/random';
import type { NativeLoss } from '../engine/training';
import { AtomicFile } from '../system/atomic-file';
import type { EventContent } from './events';
import { gainOf } from './gain';
import type { KeepSet } from './keep';
import { costOf, measures, measureValue, type MeasureName } from './measure';
import type { Measured, ValidationRows } from './quality';
import { rowLosses } from './losses/row-losses';
import type { RunSettings } from './recipes/settings';
import { RunControl } from './run-control';
import type { Split } from './split';
import type { SettingsPoint, SettingsSearchReport, SettingsTrial } from './settings-trials';
import { toldStep, trial, type TrialGround } from './trial';
import { fromText, toText } from './units';

/** Rows that a trial is trained on and measured with, and epochs, at most. */
const MOST_ROWS = 1000;
const MOST_VALIDATION = 500;
const MOST_EPOCHS = 4;
/** Rates and batches are tried up to so many times the recipe's, and down to it divided by that. */
const REACH = 8;
const LEAST_BATCH = 2;

type Cost = SettingsPoint & { cost: number };

/** The least cost; of equal ones what was tried first. Undefined where nothing was, or nothing has a number. */
function bestOf<Tried extends { cost: number }>(tried: readonly Tried[]): Tried | undefined {
  const known = tried.filter(({ cost }) => Number.isFinite(cost));
  return known.reduce<Tried | undefined>(
    (best, one) => (best === undefined || one.cost < best.cost ? one : best),
    undefined,
  );
}

/** Half and twice what `values` begins with, then on in the direction that was better; undefined where there is no further. */
function nextOf(values: readonly { at: number; cost: number }[], least: number): number | undefined {
  const [start] = values;
  if (start === undefined) return undefined;
  const tried = new Set(values.map(({ at }) => at));
  const best = bestOf(values)?.at ?? start.at;
  const candidates = [start.at / 2, start.at * 2, best / 2, best * 2];
  const within = (at: number) => at >= Math.max(least, start.at / REACH) && at <= start.at * REACH;
  return candidates.find((at) => within(at) && !tried.has(at));
}

/**
 * What to try after `tried`: the recipe's own first, then learning rates, each half or twice another, as long as that is
 * better, then batches in the same way at the best of them. null where there is nothing left.
 */
export function nextPoint(
  own: SettingsPoint,
  free: { learningRate: boolean; effectiveBatchSize: boolean },
  tried: readonly Cost[],
): SettingsPoint | null {
  if (tried.length === 0) return own;
  if (free.learningRate) {
    const rates = tried.filter(({ effectiveBatchSize: rows }) => rows === own.effectiveBatchSize);
    const learningRate = nextOf(
      rates.map(({ learningRate: at, cost }) => ({ at, cost })),
      0,
    );
    if (learningRate !== undefined) return { ...own, learningRate };
  }
  const { learningRate } = bestOf(tried) ?? own;
  if (!free.effectiveBatchSize || own.effectiveBatchSize === null) return null;
  const batches = tried.filter((one) => one.learningRate === learningRate);
  const effectiveBatchSize = nextOf(
    batches.map(({ effectiveBatchSize: at, cost }) => ({ at: at!, cost })),
    LEAST_BATCH,
  );
  return effectiveBatchSize === undefined || !Number.isInteger(effectiveBatchSize)
    ? null
    : { learningRate, effectiveBatchSize };
}

/** Stops a trial when the search's time is over; follows the run otherwise. Time in which the run is paused is not counted. */
class TrialControl extends RunControl {
  readonly #run: RunControl;
  #left: number;
  #since = performance.now();
  #timer: NodeJS.Timeout | undefined;
  over = false;

  constructor(run: RunControl, milliseconds: number) {
    super();
    this.#run = run;
    this.#left = milliseconds;
    this.follow(run.signal);
    this.#start();
  }

  override get paused(): boolean {
    return this.#run.paused && !this.stopped;
  }

  override async resumed(): Promise<void> {
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
    await this.#run.resumed();
    this.#start();
  }

  /** Milliseconds that are left. */
  get left(): number {
    return this.#left - (performance.now() - this.#since);
  }

  override release(): void {
    clearTimeout(this.#timer);
    super.release();
  }

  #start(): void {
    this.#since = performance.now();
    // Longer than a timer can wait is as good as for ever.
    this.#timer = setTimeout(
      () => {
        this.over = true;
        this.stop(new Error('the time of the search is over'));
      },
      Math.min(2 ** 31 - 1, Math.max(0, this.#left)),
    );
    this.#timer.unref();
  }
}

/** Keeps the trials of a search on disk, beside the checkpoints, for the run that it is of. */
export class SettingsSearchFile {
  readonly #file: string;
  readonly #run: string;
  readonly #onFailure: (error: Error) => void;

  /** @param run what the run is, as `RunIdentity`, without what is looked for */
  constructor(folder: string, run: unknown, onFailure: (error: Error) => void) {
    this.#file = join(folder, 'search.json');
    this.#run = createHash('sha256').update(JSON.stringify(run)).digest('hex');
    this.#onFailure = onFailure;
  }

  /** Of this run; none where there are none, or those of another. */
  async read(): Promise<KeptTrial[]> {
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    try {
      const { run, trials } = JSON.parse(text) as { run: string; trials: KeptTrial[] };
      return run === this.#run ? trials : [];
    } catch {
      return [];
    }
  }

  /** That it cannot be written harms nothing but a later search. */
  async write(trials: readonly KeptTrial[]): Promise<void> {
    try {
      const file = await AtomicFile.create(this.#file);
      try {
        await file.write(`${JSON.stringify({ run: this.#run, trials })}\n`);
        await file.finish();
      } finally {
        await file.release();
      }
    } catch (error) {
      this.#onFailure(error as Error);
    }
  }
}

export interface SettingsSearchRequest {
  minutes: number;
  ground: TrialGround;
  /** What the run would be trained with. */
  settings: RunSettings;
  split: Split;
  /** What the options leave open. */
  free: { learningRate: boolean; effectiveBatchSize: boolean };
  /** What must stay; null where nothing was asked for. */
  keep: KeepSet | null;
  /** null where there are no checkpoints. */
  file: SettingsSearchFile | null;
  /** Whether trials that the file has count. */
  resume: boolean;
}

/** Some of the rows, drawn by the seed, in the data's order. */
function some(rows: Int32Array, most: number, seed: number, index: number): Int32Array {
  if (rows.length <= most) return rows;
  return Random.of(seed, Stream.Search, index).shuffle(rows.slice()).slice(0, most).sort();
}

/** The best that a share of an epoch came to; undefined where none has a number. */
function bestOfEpochs(measure: MeasureName, epochs: readonly Measured[][]): Measured | undefined {
  const costs = epochs.flat().map((measured) => ({ measured, cost: costOf(measure, measured.metrics) }));
  return bestOf(costs)?.measured;
}

/** A trial as the file has it. */
interface KeptTrial extends SettingsTrial {
  /** What its value was made of, see units.ts; null where there is none. Absent in files of earlier versions. */
  units?: string | null;
}

/** Why the batch is not looked for, though it might be. */
function whyFrozen({ measure, effectiveBatchSize }: RunSettings, loss: NativeLoss | undefined): string | undefined {
  if (effectiveBatchSize === null) return 'as it is what fits in memory';
  const comparable = loss !== undefined && rowLosses(loss) !== null;
  return measure === 'loss' && !comparable ? 'as losses of batches of another size cannot be compared' : undefined;
}

/**
 * Tries learning rates and batches on a part of the rows, as long as there is time for another trial, and chooses what came
 * out best, where that is more than chance makes of so many rows; else the recipe's own. (A loss that has no interval is
 * chosen by as it is.)
 */
export async function searchSettings(request: SettingsSearchRequest): Promise<SettingsSearchReport> {
  const { minutes, ground, settings, split, keep, file } = request;
  const { emit } = ground;
  const { measure, learningRate, effectiveBatchSize } = settings;
  const own: SettingsPoint = { learningRate, effectiveBatchSize };
  const loss = ground.set.ownLoss === null ? [ground.trainer.loss].flat()[0] : undefined;
  const frozen = request.free.effectiveBatchSize ? whyFrozen(settings, loss) : undefined;
  const free = { ...request.free, effectiveBatchSize: request.free.effectiveBatchSize && frozen === undefined };
  const part: Split = {
    train: some(split.train, MOST_ROWS, ground.seed, 0),
    validation: some(split.validation, MOST_VALIDATION, ground.seed, 1),
  };
  const trials: KeptTrial[] = request.resume && file !== null ? await file.read() : [];
  const spent = () => trials.reduce((sum, { seconds }) => sum + seconds, 0);
  const costs = () =>
    trials.map((trial) => ({
      learningRate: trial.learningRate,
      effectiveBatchSize: trial.effectiveBatchSize,
      trial,
      cost: trial.value === null ? Infinity : measures[measure].lower === true ? trial.value : -trial.value,
    }));
  const control = new TrialControl(ground.control, 60_000 * minutes - 1000 * spent());
  try {
    for (;;) {
      const point = nextPoint(own, free, costs());
      if (point === null) break;
      // What took as long before would not come to its end.
      const last = trials.at(-1);
      if (control.stopped || (last !== undefined && 1000 * last.seconds > control.left)) break;
      const begun = performance.now();
      const epochs = Math.min(settings.epochs, MOST_EPOCHS);
      const result = await trial(ground, {
        settings: { ...settings, ...point, epochs },
        split: part,
        among: ground.set.among,
        keep,
        control,
        onStep: (step) =>
          emit({
            type: 'trial-step',
            during: 'search',
            trial: trials.length + 1,
            trials: null,
            ...toldStep(step),
            fraction: null,
            eta: null,
          }),
      });
      const seconds = (performance.now() - begun) / 1000;
      const best = bestOfEpochs(measure, result.epochs);
      const value = best === undefined ? null : measureValue(measure, best.metrics);
      trials.push({ ...point, value, seconds, units: best === undefined ? null : toText(best.units) });
      await file?.write(trials);
      emit(told('tried', trials.at(-1)!, trials.length, measure, spent()));
    }
  } catch (error) {
    if (!control.over) throw error;
  } finally {
    control.release();
  }
  ground.control.check();
  const best = bestOf(costs())?.trial;
  const first = trials[0];
  const rows = { data: ground.set.data, rows: part.validation };
  const shown =
    best === undefined ||
    first === undefined ||
    (await isShown(measure, loss, rows, first, best, ground.control.signal));
  const taken = shown ? best : first;
  const chosen: SettingsPoint =
    taken === undefined ? own : { learningRate: taken.learningRate, effectiveBatchSize: taken.effectiveBatchSize };
  const notes = [
    ...(shown
      ? []
      : [
          `its own: ${came(measure, best!.value)} of another is no more than chance makes of ${part.validation.length} rows`,
        ]),
    ...(frozen === undefined ? [] : [`the batch was not looked for, ${frozen}`]),
  ];
  const value = taken?.value ?? null;
  emit(told('finished', { ...chosen, value, seconds: 0 }, trials.length, measure, spent(), notes));
  return {
    minutes,
    rows: { training: part.train.length, validation: part.validation.length },
    measure,
    trials: trials.map(({ units: _, ...trial }) => trial),
    chosen,
  };
}

/** Whether what came out best is better than the recipe's own by more than chance makes. */
async function isShown(
  measure: MeasureName,
  loss: NativeLoss | undefined,
  rows: Pick<ValidationRows, 'data' | 'rows'>,
  own: KeptTrial,
  best: KeptTrial,
  signal: AbortSignal,
): Promise<boolean> {
  // There is nothing to compare with, or no interval by which to.
  if (own === best || own.value === null || own.units == null || best.units == null) return true;
  const gain = await gainOf(measure, rows, fromText(own.units), fromText(best.units), { loss, signal });
  return gain === null ? measure === 'loss' : gain.verdict === 'better';
}

const came = (measure: MeasureName, value: number | null): string =>
  value === null ? 'not measured' : `${measures[measure].words} ${value.toFixed(4)}`;

function told(
  outcome: 'tried' | 'finished',
  { learningRate, effectiveBatchSize, value }: SettingsTrial,
  count: number,
  measure: MeasureName,
  seconds: number,
  notes: readonly string[] = [],
): EventContent {
  const rate = learningRate < 1e-3 ? learningRate.toExponential() : String(learningRate);
  const batch = effectiveBatchSize === null ? '' : `, batch ${effectiveBatchSize}`;
  const trials = count === 1 ? '1 trial' : `${count} trials`;
  return {
    type: 'search',
    outcome,
    learningRate,
    effectiveBatchSize,
    value,
    measure,
    seconds,
    message:
      outcome === 'tried'
        ? `Trial ${count}: learning rate ${rate}${batch}: ${came(measure, value)}`
        : [
            `The search took ${seconds.toFixed(0)} s for ${trials}; training goes on with learning rate ${rate}${batch}`,
            ...notes,
          ].join(', '),
  };
}
