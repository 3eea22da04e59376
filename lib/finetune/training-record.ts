import { formWords, isPairs } from '../data/form';
import type { FinetuneEvent } from './events';
import { KeptEpoch } from './kept';
import { lossWords } from './losses';
import type { ValidationMetrics } from './metrics';
import type { ResolvedOptions } from './options';
import type { CardFacts } from '../model/save/card';
import { ADDON_VERSION } from '../engine/load';

const measures: readonly [string, (metrics: ValidationMetrics) => number | null | undefined][] = [
  ['Loss', (m) => m.loss],
  ['Pearson', (m) => m.pearson],
  ['Spearman', (m) => m.spearman],
  ['Average precision', (m) => m.averagePrecision],
  ['Best F1', (m) => m.f1?.value],
  ['Best accuracy', (m) => m.accuracy?.value],
  ['Triplet accuracy', (m) => m.tripletAccuracy],
  ['MRR@10 among own negatives', (m) => m.mrr10],
];

type Of<Type extends FinetuneEvent['type']> = Extract<FinetuneEvent, { type: Type }>;

/** Follows one run so that the model's card can say what was done, also where the run was stopped before its end. */
export class TrainingRecord {
  readonly #kept = new KeptEpoch();
  readonly #options: ResolvedOptions;
  #data: Of<'data'> | undefined;
  #summary: Of<'summary'> | undefined;
  #before: ValidationMetrics | null = null;
  #after: ValidationMetrics | null = null;
  #epochs = 0;
  #batch: { batchSize: number; effectiveBatchSize: number } | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  note(event: FinetuneEvent): void {
    this.#kept.note(event);
    if (event.type === 'data') this.#data = event;
    else if (event.type === 'summary') this.#summary = event;
    else if (event.type === 'epoch-start') this.#epochs = event.epoch;
    else if (event.type === 'restored') {
      this.#epochs = event.epoch;
      this.#before = event.before;
      this.#after = event.after;
    } else if (event.type === 'done') this.#batch = event.report;
    else if (event.type === 'validation') {
      if (event.epoch === 0) this.#before = event.metrics;
      if (event.best) this.#after = event.metrics;
    }
  }

  /** Whether the model's weights are of this run. */
  get changedModel(): boolean {
    return this.#kept.epoch > 0;
  }

  /** `libtorch` is the version that did the work. */
  facts(earlierRuns: number, libtorch: string): CardFacts {
    const { learningRate, schedule, optimizer, maxGradientNorm, dropout, freeze } = this.#options;
    const facts: CardFacts = {
      ...(this.#summary && { loss: lossWords(this.#summary.loss) }),
      epochs: this.#epochs,
      bestEpoch: this.#kept.epoch,
      options: {
        ...(this.#data && { maxInputLength: this.#data.maxInputLength }),
        ...(this.#batch && { batchSize: this.#batch.batchSize, effectiveBatchSize: this.#batch.effectiveBatchSize }),
        learningRate,
        schedule,
        ...optimizer,
        ...(maxGradientNorm !== null && { maxGradientNorm }),
        ...(dropout !== null && { dropout }),
        ...(freeze.length > 0 && { freeze: freeze.join(', ') }),
        ...(this.#summary && { precision: this.#summary.precision, seed: this.#summary.seed }),
      },
      versions: { vectune: ADDON_VERSION, LibTorch: libtorch },
    };
    if (earlierRuns > 0) facts.earlierRuns = earlierRuns;
    if (this.#data) {
      if (!isPairs(this.#data.form)) facts.rowsAre = formWords[this.#data.form];
      facts.trainPairs = this.#data.trainingRows;
      if (this.#data.validationRows > 0) facts.validationPairs = this.#data.validationRows;
    }
    const [before, after] = [this.#before, this.#after];
    if (before !== null && after !== null) {
      facts.metrics = measures.flatMap(([name, of]) => {
        const [from, to] = [of(before), of(after)];
        return typeof from === 'number' && typeof to === 'number' ? [{ name, before: from, after: to }] : [];
      });
    }
    return facts;
  }
}
