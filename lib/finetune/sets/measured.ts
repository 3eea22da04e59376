import type { ValidationMetrics } from '../metrics';
import { lossAlone } from '../metrics';
import { measureValue, type MeasureName } from '../measure';
import type { Measured } from '../quality';
import type { Shown } from '../shown';
import type { Validator } from '../validator';

/** What a validation of all sets came to. */
export interface AllMeasured {
  metrics: ValidationMetrics;
  /** Of each set, as `Measured` has them. */
  units: readonly Float32Array[];
  /** Of each set, where there is something. */
  shown?: readonly (Shown | undefined)[] | undefined;
}

/** A set that is validated. */
export interface ValidatedSet {
  name: string | null;
  measure: MeasureName;
  /** Its weight in the mean over the sets. */
  weight: number;
  validator: Validator;
}

/** Measures the weights on the validation rows of all sets, one set after the other. */
export class SetsValidator {
  readonly #sets: readonly ValidatedSet[];

  constructor(sets: readonly ValidatedSet[]) {
    this.#sets = sets;
  }

  get rows(): number {
    return this.#sets.reduce((sum, { validator }) => sum + validator.rows, 0);
  }

  /** Rows computed at once: of that set where they are fewest. */
  get microBatch(): number {
    return Math.min(...this.#sets.map(({ validator }) => validator.microBatch));
  }

  /** Vectors of texts of the data set, as `Validator.vectors`; they are computed as those of that set are where the fewest fit at once. */
  vectors(...given: Parameters<Validator['vectors']>): ReturnType<Validator['vectors']> {
    const { validator } = this.#sets.reduce((a, b) => (b.validator.microBatch < a.validator.microBatch ? b : a));
    return validator.vectors(...given);
  }

  async measure(epoch: number): Promise<AllMeasured> {
    const found: Measured[] = [];
    for (const { validator } of this.#sets)
      found.push(
        validator.rows === 0 ? { metrics: lossAlone(0), units: new Float32Array(0) } : await validator.measure(epoch),
      );
    const units = found.map((one) => one.units);
    const shown = found.map((one) => one.shown);
    if (this.#sets.length === 1) return { metrics: found[0]!.metrics, units, shown };
    const validated = this.#sets.flatMap((set, i) => (set.validator.rows === 0 ? [] : [{ ...set, ...found[i]! }]));
    return { metrics: together(validated), units, shown };
  }
}

/** Of several sets: the means of their losses and of their measures, each by its weight, and what each came to. */
export function together(
  sets: readonly (Pick<ValidatedSet, 'name' | 'measure' | 'weight'> & { metrics: ValidationMetrics })[],
): ValidationMetrics {
  const all = sets.reduce((sum, { weight }) => sum + weight, 0);
  const mean = (of: (set: (typeof sets)[number]) => number): number =>
    sets.reduce((sum, set) => sum + (set.weight / all) * of(set), 0);
  const values = sets.map(({ measure, metrics }) => measureValue(measure, metrics));
  const defined = sets.every(({ measure }) => measure !== 'loss') && !values.includes(null);
  return {
    ...lossAlone(mean(({ metrics }) => metrics.loss)),
    ...(defined && { average: mean(({ measure, metrics }) => measureValue(measure, metrics)!) }),
    sets: Object.fromEntries(sets.map(({ name, metrics }) => [name!, metrics])),
  };
}
