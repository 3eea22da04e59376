import type { TrainingData } from '../data/form';
import type { EngineAddon, TrainerHandle } from '../engine/addon';
import type { Evaluation, StepRequest, StepResult, StepVectors } from '../engine/training';
import { orAborted } from '../system/aborted';
import { LossError, type ErrorDetails } from '../system/errors';
import { show } from '../system/options';
import { say, type Wording } from '../system/wording';

/** The rows of a batch whose vectors a loss of one's own is given. */
export interface LossBatch {
  /** Texts of each row. */
  readonly columns: number;
  /** Rows of the batch. */
  readonly rows: number;
  /** Numbers of a vector. */
  readonly dimensions: number;
  /** What the data says of each row, [rows][labelWidth]: a score, a class, a teacher's vector. Empty where it says nothing. */
  readonly labels: Float32Array;
  /** Numbers in `labels` of each row. */
  readonly labelWidth: number;
  /** The rows' numbers in the data, counted from 0. */
  readonly indices: Int32Array;
  /** 'training', where the gradient is wanted, or 'validation', where it is not. */
  readonly purpose: 'training' | 'validation';
}

/** What a loss of one's own makes of the vectors of a batch. */
export interface LossAndGradient {
  /** A finite number; less is better. */
  loss: number;
  /** Of the loss, of each number of the vectors and in their order. Not needed in validation. May be the vectors' own array. */
  gradient?: Float32Array;
}

/** A loss of one's own, for the option `loss`. */
export interface OwnLoss {
  /** In events, in the report and in messages; with `version` it tells a run's loss from another when it is resumed. Default 'own'. */
  name?: string;
  /** To be changed where what `compute` does is: a checkpoint of another version is refused. */
  version?: string | number;
  /**
   * Loss and gradient of a batch. Number d of the vector of text c of row r is `vectors[(c * rows + r) * dimensions + d]`.
   * Called once for each step, and again where a step that ran out of memory is done again; it must give the same for the
   * same vectors. What it does not await holds the event loop, so heavy work belongs in a worker.
   */
  compute(vectors: Float32Array, batch: LossBatch): LossAndGradient | PromiseLike<LossAndGradient>;
  /**
   * While the loss is developed: compares the gradient of a run's first step with finite differences of the loss, for up to
   * 64 vectors, and stops the run where it is another. Calls `compute` some hundred times. Default false.
   */
  checkGradient?: boolean;
}

/** Vectors whose gradient is checked. */
const MOST_CHECKED = 64;
/** A vector is moved by so much of its numbers' size, and where that is too far, as over a kink of the loss, by the other. */
const MOVES = [1e-3, 3e-5];
/** Share of the larger of two slopes, and of the slope that a direction drawn at random has. */
const TOLERANCE = 0.02;

type Computed = { loss: number; gradient: Float32Array };

/** Calls a loss of the user's own, and refuses what it cannot have meant. */
export class OwnLossCaller {
  readonly #loss: OwnLoss;
  readonly #signal: AbortSignal;
  #unchecked: boolean;

  /** `signal`: a loss that never answers does not keep a run from stopping. */
  constructor(loss: OwnLoss, signal: AbortSignal) {
    this.#loss = loss;
    this.#signal = signal;
    this.#unchecked = loss.checkGradient === true;
  }

  /**
   * Of the vectors of rows.
   *
   * @throws LossError ERR_LOSS: it threw, or gave what is no loss or no gradient; ERR_LOSS_GRADIENT: the gradient is not
   *   the loss's
   */
  async train(found: StepVectors, indices: Int32Array): Promise<Computed> {
    const batch = this.#batch(found, indices, 'training');
    // The loss may write its gradient over the vectors.
    const vectors = this.#unchecked ? found.vectors.slice() : found.vectors;
    const computed = await this.#call(vectors, batch);
    if (this.#unchecked) {
      const gradient = computed.gradient === vectors ? vectors.slice() : computed.gradient;
      await this.#check(found.vectors, { loss: computed.loss, gradient }, batch);
      this.#unchecked = false;
      return { loss: computed.loss, gradient };
    }
    return computed;
  }

  /** The loss alone. */
  async validate(found: StepVectors, indices: Int32Array): Promise<number> {
    return (await this.#call(found.vectors, this.#batch(found, indices, 'validation'))).loss;
  }

  #batch(found: StepVectors, indices: Int32Array, purpose: LossBatch['purpose']): LossBatch {
    const { columns, rows, dimensions, labels } = found;
    return { columns, rows, dimensions, labels, labelWidth: labels.length / rows, indices, purpose };
  }

  #error(code: 'ERR_LOSS' | 'ERR_LOSS_GRADIENT', said: Wording, details: ErrorDetails): LossError {
    return new LossError(code, say`The loss ${nameOf(this.#loss)} ${said}.`, details);
  }

  async #call(vectors: Float32Array, batch: LossBatch): Promise<Computed> {
    const size = vectors.length;
    let given: LossAndGradient;
    try {
      given = await orStopped(this.#loss.compute(vectors, batch), this.#signal);
    } catch (cause) {
      if (this.#signal.aborted) throw cause;
      const message = cause instanceof Error ? cause.message : String(cause);
      throw this.#error('ERR_LOSS', say`threw in ${batch.purpose}: ${message}`, { cause });
    }
    const shape = `${batch.columns} × ${batch.rows} × ${batch.dimensions} = ${size} numbers`;
    const remedy = say`compute must give { loss, gradient }: a finite number, and a Float32Array of as many numbers as there are in the vectors.`;
    const refuse = (said: Wording, details: ErrorDetails = {}) => this.#error('ERR_LOSS', said, { remedy, ...details });
    if (typeof given !== 'object' || given === null) throw refuse(say`gave ${show(given)}`);
    const { loss, gradient } = given;
    if (typeof loss !== 'number' || !Number.isFinite(loss)) throw refuse(say`gave ${show(loss)} as the loss`);
    if (batch.purpose === 'validation') return { loss, gradient: new Float32Array(0) };
    if (!(gradient instanceof Float32Array))
      throw refuse(say`gave ${show(gradient)} as the gradient, where a Float32Array of ${shape} is expected`);
    if (gradient.length !== size)
      throw refuse(say`gave a gradient of ${gradient.length} numbers, where ${shape} are expected`);
    const wrong = gradient.findIndex((number) => !Number.isFinite(number));
    if (wrong >= 0)
      throw refuse(say`gave a gradient with ${gradient[wrong]!} at ${placeOf(wrong, batch)}`, {
        row: rowOf(wrong, batch),
      });
    return { loss, gradient };
  }

  /** Each of some vectors is moved along signs drawn by a hash, and number by number where that shows a fault. */
  async #check(vectors: Float32Array, { loss, gradient }: Computed, batch: LossBatch): Promise<void> {
    const { dimensions } = batch;
    const again = await this.#call(vectors.slice(), batch);
    if (again.loss !== loss)
      throw this.#error('ERR_LOSS_GRADIENT', say`gave ${again.loss} for the vectors for which it had given ${loss}`, {
        remedy: say`It must give the same for the same vectors: nothing in it may be drawn at random or kept between calls.`,
      });
    const noise = 1e-11 * Math.max(1, Math.abs(loss));
    const count = vectors.length / dimensions;
    /** Slope by differences and by the gradient, of the numbers from `first` on moved by `signs`; null where both agree. */
    const differ = async (first: number, signs: readonly number[], usual: number) => {
      const slice = vectors.subarray(first, first + dimensions);
      const size = Math.sqrt(slice.reduce((sum, x) => sum + x * x, 0) / dimensions) || 1;
      let found: { difference: number; expected: number } | null = null;
      for (const move of MOVES) {
        const [up, down] = [vectors.slice(), vectors.slice()];
        let expected = 0;
        signs.forEach((sign, d) => {
          up[first + d]! += sign * move * size;
          down[first + d]! -= sign * move * size;
          // What the float32 numbers really moved by.
          expected += gradient[first + d]! * (up[first + d]! - down[first + d]!);
        });
        const difference = (await this.#call(up, batch)).loss - (await this.#call(down, batch)).loss;
        const allowed =
          TOLERANCE * (Math.max(Math.abs(difference), Math.abs(expected)) + 2 * move * size * usual) + noise;
        if (Math.abs(difference - expected) <= allowed) return null;
        found ??= { difference: difference / (2 * move * size), expected: expected / (2 * move * size) };
      }
      return found;
    };
    for (let i = 0; i < Math.min(count, MOST_CHECKED); ++i) {
      const first = Math.floor((i * count) / Math.min(count, MOST_CHECKED)) * dimensions;
      const usual = Math.hypot(...gradient.subarray(first, first + dimensions));
      const signs = Array.from({ length: dimensions }, (_, d) => (hash(first + d) & 1 ? 1 : -1));
      if ((await differ(first, signs, usual)) === null) continue;
      let worst: { off: number; said: Wording; row: number } | null = null;
      for (let d = 0; d < dimensions; ++d) {
        const single = signs.map((_, other) => (other === d ? 1 : 0));
        const found = await differ(first, single, usual / Math.sqrt(dimensions));
        if (found === null) continue;
        const off = Math.abs(found.difference - found.expected);
        if (worst !== null && worst.off >= off) continue;
        const at = first + d;
        worst = {
          off,
          said: say`gave ${gradient[at]!} as the gradient at ${placeOf(at, batch)}, but by finite differences it is ${Number(found.difference.toPrecision(4))}`,
          row: rowOf(at, batch),
        };
      }
      // A kink of the loss on the way may look like a fault; no single number has it.
      if (worst !== null) throw this.#error('ERR_LOSS_GRADIENT', worst.said, { row: worst.row });
    }
  }
}

/**
 * A step of a trainer whose loss is given: its vectors, the caller's loss of them, and the way back. `first` is the number of
 * the first row of the loss's set among those of all sets.
 */
export async function stepByOwn(
  caller: OwnLossCaller,
  { addon, trainer, first }: { addon: Pick<EngineAddon, 'vectors' | 'step'>; trainer: TrainerHandle; first: number },
  step: StepRequest & { after: number },
): Promise<StepResult | null> {
  const { rows, microBatch, epoch } = step;
  const found = await addon.vectors(trainer, rows, microBatch, epoch);
  const indices = rows.map((row) => row - first);
  return addon.step(trainer, { ...step, given: await caller.train(found, indices) });
}

/** What `addon.evaluate` gives of other losses. */
export async function evaluateOwn(
  caller: OwnLossCaller,
  {
    addon,
    trainer,
    first: firstRow,
    data: { labels, labelWidth },
  }: {
    addon: Pick<EngineAddon, 'evaluate'>;
    trainer: TrainerHandle;
    first: number;
    data: Pick<TrainingData, 'labels' | 'labelWidth'>;
  },
  rows: Int32Array,
  microBatch: number,
  batch: number,
): Promise<Pick<Evaluation, 'loss' | 'similarities'>> {
  const similarities: number[] = [];
  let loss = 0;
  for (let first = 0; first < rows.length; first += batch) {
    const part = rows.subarray(first, first + batch);
    const found = await addon.evaluate(
      trainer,
      part.map((row) => row + firstRow),
      microBatch,
      batch,
    );
    const vectors = found.vectors!;
    const columns = found.similarities.length / part.length + 1;
    const ofPart = {
      vectors,
      columns,
      rows: part.length,
      dimensions: vectors.length / (columns * part.length),
      labels: Float32Array.from({ length: part.length * labelWidth }, (_, i) => {
        return labels[part[Math.floor(i / labelWidth)]! * labelWidth + (i % labelWidth)]!;
      }),
    };
    loss += (await caller.validate(ofPart, part)) * (part.length / rows.length);
    for (const similarity of found.similarities) similarities.push(similarity);
  }
  return { loss, similarities: Float32Array.from(similarities) };
}

/** Under which events, the report and checkpoints know it. */
export function nameOf({ name }: OwnLoss): string {
  return name ?? 'own';
}

function rowOf(place: number, { rows, dimensions, indices }: LossBatch): number {
  return indices[Math.floor(place / dimensions) % rows]!;
}

function placeOf(place: number, batch: LossBatch): string {
  const { rows, dimensions } = batch;
  const vector = Math.floor(place / dimensions);
  return `[${place}] (text ${Math.floor(vector / rows)} of row ${vector % rows} of the batch, number ${place % dimensions})`;
}

function hash(n: number): number {
  let x = Math.imul(n + 0x9e37, 0x85eb_ca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** The value, or a rejection once the run is to stop. */
async function orStopped<T>(value: T | PromiseLike<T>, signal: AbortSignal): Promise<T> {
  if (typeof (value as PromiseLike<T> | null | undefined)?.then !== 'function') return value;
  return orAborted(Promise.resolve(value), signal);
}
