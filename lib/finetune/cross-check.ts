import { isPairs, type TrainingData } from '../data/form';
import { gainOf, type Gain } from './gain';
import type { MeasureName } from './measure';
import { twoValues, validationMetrics, type ValidationMetrics } from './metrics';
import type { Measured } from './quality';
import type { AllMeasured } from './sets/measured';
import type { Split } from './split';
import { fromText } from './units';

/*
 * A small set has too few validation rows to tell a gain from chance, and what is chosen by them is chosen by chance. So
 * models that are thrown away train without one part of the rows each, and are measured on it: every row is measured by a
 * model that has not seen it, and a gain is taken where it is more than chance on all of them (Stone 1974).
 */

/** Of the resamples of a difference between two models, as many lie between its bounds. */
export const SHOWN = 0.8;

/** What rows came to. */
export interface Part {
  metrics: ValidationMetrics;
  /** See units.ts. */
  units: string;
}

/** What models that were thrown away came to, on the rows that each had not seen. Plain data: part of a checkpoint. */
export interface CrossChecked {
  /** Parts of the rows, the validation rows among them. */
  folds: number;
  /** Rows of the parts that were measured. */
  rows: number[];
  /** Under the untrained model, and after each epoch by share; null where no part of the rows could be left out. */
  before: Part | null;
  epochs: Part[][];
}

/** What several models came to, each on rows of its own, as one: exactly where rows are pairs, else the mean over what was counted. */
export function pooled(data: TrainingData, parts: readonly { rows: Int32Array; measured: Measured }[]): Measured {
  const units = new Float32Array(parts.reduce((sum, { measured }) => sum + measured.units.length, 0));
  let at = 0;
  let rows = 0;
  let loss = 0;
  for (const { rows: own, measured } of parts) {
    units.set(measured.units, at);
    at += measured.units.length;
    rows += own.length;
    loss += measured.metrics.loss * own.length;
  }
  loss /= rows;
  if (isPairs(data.form)) {
    const scores = parts.flatMap(({ rows: own }) => Array.from(own, (row) => data.labels[row]!));
    return { metrics: validationMetrics(loss, units, scores, twoValues(data.labels)), units };
  }
  const weighed = parts.map(({ measured }) => ({ weight: measured.units.length, of: measured.metrics }));
  return { metrics: { ...(meanOf(weighed) as ValidationMetrics), loss }, units };
}

/** The mean of each number of objects of one shape; of those that have it. Counts are added up. */
function meanOf(parts: readonly { weight: number; of: object }[]): object {
  const names = new Set(parts.flatMap(({ of }) => Object.keys(of)));
  return Object.fromEntries(
    [...names].map((name) => {
      const known = parts
        .map(({ weight, of }) => ({ weight, value: (of as Record<string, unknown>)[name] }))
        .filter(({ value }) => value !== null && value !== undefined);
      if (known.length === 0) return [name, null];
      if (typeof known[0]!.value === 'object')
        return [name, meanOf(known.map(({ weight, value }) => ({ weight, of: value as object })))];
      const sum = known.reduce((all, { weight, value }) => all + weight * (value as number), 0);
      const weights = known.reduce((all, { weight }) => all + weight, 0);
      if (name === 'queries') return [name, known.reduce((all, { value }) => all + (value as number), 0)];
      return [name, weights === 0 ? null : sum / weights];
    }),
  );
}

/** Adds what the run itself measures on its validation rows to what was measured beside it. */
export class CrossCheck {
  readonly #data: TrainingData;
  readonly #checked: CrossChecked;
  readonly #validation: Int32Array;

  constructor(data: TrainingData, checked: CrossChecked, validation: Int32Array) {
    this.#data = data;
    this.#checked = checked;
    this.#validation = validation;
  }

  /** All rows that are measured, in the order of `units`. */
  get rows(): Int32Array {
    return Int32Array.from([...this.#validation, ...this.#checked.rows]);
  }

  get folds(): number {
    return this.#checked.folds;
  }

  /** Of all rows that models are trained on, those of the models that are thrown away: each had all but its part. */
  shareOfTraining(own: Split): number {
    const { folds, rows } = this.#checked;
    const thrownAway = (folds - 1) * (own.train.length + own.validation.length) - rows.length;
    return thrownAway / (thrownAway + own.train.length);
  }

  before(own: AllMeasured): AllMeasured {
    return this.#with(this.#checked.before, own);
  }

  /** null of an epoch that was not trained beside the run. */
  epoch(epoch: number, share: number, own: AllMeasured): AllMeasured | null {
    const part = this.#checked.epochs[epoch - 1]?.[share];
    return part === undefined ? null : this.#with(part, own);
  }

  /** What was gained on all rows, with bounds between which four fifths of the resamples lie. */
  gain(measure: MeasureName, before: Float32Array, after: Float32Array, signal: AbortSignal): Promise<Gain | null> {
    return gainOf(measure, { data: this.#data, rows: this.rows }, before, after, { confidence: SHOWN, signal });
  }

  /** How close the texts of rows are, and what each row came to, is shown of the run's own validation rows. */
  #with(part: Part | null, { metrics: own, units: [similarities], shown }: AllMeasured): AllMeasured {
    const alone = { metrics: own, units: similarities! };
    if (part === null) return { metrics: own, units: [alone.units], shown };
    const { metrics, units } = part;
    const all = pooled(this.#data, [
      { rows: this.#validation, measured: alone },
      { rows: Int32Array.from(this.#checked.rows), measured: { metrics, units: fromText(units) } },
    ]);
    return { metrics: all.metrics, units: [all.units], shown };
  }
}
