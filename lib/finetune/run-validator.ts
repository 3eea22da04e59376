import type { LoopRequest, LoopSet } from './loop-request';
import { evaluateOwn } from './own-loss';
import type { Progress } from './progress';
import { SetsValidator } from './sets/measured';
import { amongAll } from './sets/training-set';
import { Validator } from './validator';

/** The validator of a run's sets, under the weights that its trainer has at work. */
export function runValidator(
  { addon, trainer, sets, options, memory, emit }: LoopRequest,
  progress: Progress,
  {
    ready,
    onSplit,
  }: {
    /** Waits while the run is paused; throws if it is to stop. */
    ready: () => Promise<void>;
    onSplit: (epoch: number, before: number, after: number) => void;
  },
): SetsValidator {
  const validatorOf = ({ split, data, groups, among, first, ownLoss }: LoopSet, before: number): Validator =>
    new Validator(
      {
        rows: split.validation,
        among,
        data,
        batch: progress.effectiveBatch,
        groups,
        embed: (texts, atOnce) => {
          memory.follow();
          return addon.embedTexts(trainer, texts, atOnce);
        },
        evaluate: (rows, microBatch) => {
          memory.follow();
          const batch = progress.effectiveBatch;
          return ownLoss === null
            ? addon.evaluate(trainer, amongAll(rows, { first }), microBatch, batch)
            : evaluateOwn(ownLoss, { addon, trainer, data, first }, rows, microBatch, batch);
        },
        onProgress: (at, done) => emit({ type: 'validating', epoch: at, done: before + done, rows: validator.rows }),
        onSplit: (at, rows, after) => {
          progress.validationBatch = after;
          onSplit(at, rows, after);
        },
        ready,
      },
      progress.validationBatch,
    );
  let validated = 0;
  const validator: SetsValidator = new SetsValidator(
    sets.map((set) => {
      const one = validatorOf(set, validated);
      validated += one.rows;
      const weight = options.multiDatasetSampler === 'round-robin' ? 1 : set.split.train.length;
      return { name: set.name, measure: set.measure, weight, validator: one };
    }),
  );
  return validator;
}
