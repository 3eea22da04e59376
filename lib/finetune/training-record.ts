import { formWords, isPairs } from '../data/form';
import type { FinetuneEvent } from './events';
import { listedMeasures } from './listed-measures';
import type { MeasureName } from './measure';
import type { Gain } from './gain';
import { gainWords } from './gain-words';
import { KeptEpoch } from './kept';
import { lossWords } from './losses/told';
import { promptsLine } from './prompts';
import type { FinetuneReport } from './report';
import type { ValidationMetrics } from './metrics';
import type { ResolvedOptions } from './resolved-options';
import type { CardFacts } from '../model/save/card';
import { ADDON_VERSION } from '../engine/load';
import { measureTitle } from '../report/names';
import { isSearched, usedPrompts } from '../report/prompts';

function compared(before: ValidationMetrics, after: ValidationMetrics): NonNullable<CardFacts['metrics']> {
  return listedMeasures.flatMap(([name, of]) => {
    const [from, to] = [of(before), of(after)];
    return typeof from === 'number' && typeof to === 'number'
      ? [{ name: measureTitle(name), before: from, after: to }]
      : [];
  });
}

type Of<Type extends FinetuneEvent['type']> = Extract<FinetuneEvent, { type: Type }>;

function samplerWords(sampler: Of<'summary'>['settings']['sampler']): string {
  if (typeof sampler === 'string') return sampler;
  return Object.entries(sampler)
    .map(([set, one]) => `${set}: ${one}`)
    .join(', ');
}

/** Of what was set, what a card tells. */
function cardSettings({ settings }: Of<'summary'>): Record<string, string | number | boolean | null> {
  const { epochs, sampler, learningRate, schedule, warmup, optimizer, maxGradientNorm, earlyStopping, merge, folds } =
    settings;
  return {
    epochs,
    sampler: samplerWords(sampler),
    learningRate,
    schedule,
    ...('ratio' in warmup ? { warmupRatio: warmup.ratio } : { warmupSteps: warmup.steps }),
    ...optimizer,
    ...(maxGradientNorm !== null && { maxGradientNorm }),
    ...(earlyStopping !== null && earlyStopping),
    merge: merge.join(', '),
    ...(folds > 1 && { folds }),
  };
}

/** What was to be kept and searched for, in a line each. */
function reportedFacts(report: FinetuneReport | undefined): Record<string, string> {
  const { kept, search } = report ?? {};
  const number = (value: number | null) => (value === null ? '-' : value.toFixed(4));
  return {
    ...(kept && {
      keep: `${measureTitle(kept.measure)} of ${kept.rows} rows ${number(kept.before)} → ${number(kept.after)}, might fall by ${kept.margin}`,
    }),
    ...(search && {
      search: `${search.trials.length} trials in ${search.minutes} minutes at most, by ${measureTitle(search.measure)}`,
    }),
  };
}

/** Follows one run so that the model's card can say what was done, also where the run was stopped before its end. */
export class TrainingRecord {
  readonly #kept = new KeptEpoch();
  readonly #options: ResolvedOptions;
  readonly #data: Of<'data'>[] = [];
  #summary: Of<'summary'> | undefined;
  #before: ValidationMetrics | null = null;
  #after: ValidationMetrics | null = null;
  #epochs = 0;
  #share: number | null = null;
  #measure: MeasureName | null = null;
  #gain: Gain | null = null;
  #crossCheck: { folds: number; rows: number } | null = null;
  #batch: { batchSize: number; effectiveBatchSize: number } | undefined;
  #report: FinetuneReport | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  note(event: FinetuneEvent): void {
    this.#kept.note(event);
    if (event.type === 'data') this.#data.push(event);
    else if (event.type === 'summary') this.#summary = event;
    else if (event.type === 'epoch-start') this.#epochs = event.epoch;
    else if (event.type === 'restored') {
      this.#epochs = event.epoch;
      this.#before = event.before;
      this.#after = event.after;
      this.#share = event.share;
    } else if (event.type === 'done') {
      const { gain, crossCheck, share } = event.report;
      this.#batch = this.#report = event.report;
      this.#share = share;
      this.#gain = gain;
      this.#crossCheck = crossCheck;
    } else if (event.type === 'cross-check' && event.done === event.folds) {
      const rows = this.#data.reduce((sum, { rows }) => sum + rows, 0);
      this.#crossCheck = { folds: event.folds + 1, rows };
    } else if (event.type === 'data-warning' && event.reason === 'measure-not-defined') {
      this.#crossCheck = null;
    } else if (event.type === 'validation') {
      this.#measure = event.measure;
      if (event.best) this.#share = event.share;
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
    const { dropout, freeze, prompts } = this.#options;
    const summary = this.#summary;
    const facts: CardFacts = {
      ...(this.#summary && { loss: lossWords(this.#summary.loss) }),
      epochs: this.#epochs,
      bestEpoch: this.#kept.epoch,
      ...(this.#share !== null && this.#share !== 1 && { share: this.#share }),
      options: {
        ...(summary && { recipe: summary.recipe, measure: this.#measure ?? summary.settings.measure }),
        ...(this.#data[0] && { maxInputLength: this.#data[0].maxInputLength }),
        ...(this.#batch && { batchSize: this.#batch.batchSize, effectiveBatchSize: this.#batch.effectiveBatchSize }),
        ...(summary && cardSettings(summary)),
        ...(summary && { validationSplit: summary.settings.validationSplit }),
        ...reportedFacts(this.#report),
        ...(prompts !== null && { prompts: promptsLine(prompts) }),
        ...(dropout !== null && { dropout }),
        ...(freeze.length > 0 && { freeze: freeze.join(', ') }),
        ...(this.#summary && { precision: this.#summary.precision, seed: this.#summary.seed }),
      },
      versions: { vectune: ADDON_VERSION, LibTorch: libtorch },
    };
    if (earlierRuns > 0) facts.earlierRuns = earlierRuns;
    if (this.#data.length > 0) {
      const sum = (of: (data: Of<'data'>) => number) => this.#data.reduce((all, data) => all + of(data), 0);
      if (this.#data.some(({ form }) => !isPairs(form)))
        facts.rowsAre = [...new Set(this.#data.map(({ form }) => formWords[form]))].join('; ');
      facts.data = this.#data
        .map(({ set, understood }) => (set === null ? understood : `${set.name}: ${understood}`))
        .join('; ');
      facts.trainPairs = sum(({ trainingRows }) => trainingRows);
      const validated = sum(({ validationRows }) => validationRows);
      if (validated > 0) facts.validationPairs = validated;
    }
    const form = this.#data.length === 1 ? this.#data[0]!.form : null;
    const [first, other] = usedPrompts(this.#summary?.settings.prompts, form);
    if (first !== undefined || other !== undefined) facts.prompts = [first ?? '', other ?? ''];
    if (isSearched(form)) facts.searches = true;
    const [before, after] = [this.#before, this.#after];
    if (after?.f1) {
      const of = { 'F1 of the same': after.f1, accuracy: after.accuracy };
      facts.thresholds = Object.entries(of).flatMap(([name, found]) =>
        found ? [{ name, from: found.threshold }] : [],
      );
    }
    if (before !== null && after !== null) {
      facts.metrics = compared(before, after);
      if (this.#crossCheck !== null) facts.crossCheck = this.#crossCheck;
      if (this.#gain !== null) facts.gain = gainWords(this.#gain);
      for (const [set, own] of Object.entries(before.sets ?? {}))
        facts.metrics.push(
          ...compared(own, after.sets?.[set] ?? own).map((one) => ({ ...one, name: `${set}: ${one.name}` })),
        );
    }
    return facts;
  }
}
