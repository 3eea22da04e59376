import { formWords, isPairs, type DataForm, type TrainingData } from '../data/form';
import { ADDON_VERSION } from '../engine/load';
import type { ResolvedIntervals } from '../evaluate/options';
import { changedRows, compareRows, thinned } from '../report/comparison';
import { RunEvents } from '../report/events';
import type { RunChanged, RunCloseness, RunComparison } from '../report/record';
import { renderReport } from '../report/report';
import { AtomicFile } from '../system/atomic-file';
import type { EventContent } from './events';
import { INTERVALS } from './gain';
import { lossWords } from './losses/told';
import type { FinetuneReport } from './report';
import type { AllMeasured } from './sets/measured';
import type { Closeness, Outcomes, Shown } from './shown';

/** A set of a run, as far as a page shows its rows. */
export interface ReportedSet {
  /** null of one. */
  name: string | null;
  data: TrainingData;
  /** Rows that were measured, in the order of `units`. */
  rows: Int32Array;
}

/** What the page is made of beside the events. */
export interface RunFacts {
  /** null of a run that ended before its end. */
  report: FinetuneReport | null;
  /** How it ended then. */
  stopped: string | null;
  /** Name of the model that training began with. */
  model: string;
  sets: readonly ReportedSet[];
  /** What the measures of each set were made of, of the untrained model and of the best one; null where nothing was measured. */
  units: { before: readonly Float32Array[]; after: readonly Float32Array[] } | null;
  /** Stops the resampling; absent of a run that is stopped, whose page has no intervals. */
  signal?: AbortSignal;
}

/** The page that the option `report` asks for: follows the run, and is written when it is over. */
export class RunReport {
  readonly #file: string;
  readonly #events = new RunEvents(lossWords);
  /** What the validation rows came to: of the untrained model, of the last measurement, of the best one. */
  #before: AllMeasured | undefined;
  #last: AllMeasured | undefined;
  #best: AllMeasured | undefined;
  #begun = false;

  constructor(file: string) {
    this.#file = file;
  }

  /** @throws FileError: the file cannot be written */
  prove(): Promise<void> {
    return AtomicFile.prove(this.#file);
  }

  /** Validation rows were measured; whether these weights are the best an event tells. */
  measured(measured: AllMeasured): void {
    this.#last = measured;
  }

  note(event: EventContent): void {
    this.#events.note(event);
    if (event.type === 'epoch-start') this.#begun = true;
    if (event.type !== 'validation') return;
    if (event.epoch === 0) this.#before = this.#last;
    if (event.best) this.#best = this.#last;
  }

  /** Whether training began, so that there is something to tell of a run that ended before its end. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Writes the page. That it cannot be written is an event: the trained model is worth more. */
  async write(facts: RunFacts): Promise<EventContent> {
    const { report, stopped, model, sets, units } = facts;
    if (report !== null) this.#events.note({ type: 'done', report });
    try {
      // Of a small set by the interval that decided.
      const confidence = report?.gain?.confidence ?? INTERVALS.confidence;
      const intervals = report === null ? null : { ...INTERVALS, confidence };
      const [before, after] = [this.#before, this.#best ?? this.#before];
      const comparison = await comparisonOf(sets, units, intervals, facts.signal);
      const closeness = closenessOf(sets, units, before, after);
      const page = renderReport(
        this.#events.record({
          model,
          folder: null,
          stopped,
          comparison,
          changed: comparison === null ? await changedOf(sets, before, after) : null,
          closeness,
          unshown: comparison === null && closeness === null ? unshown(report, sets) : null,
          versions: { vectune: ADDON_VERSION, 'Node.js': process.versions.node },
          created: new Date(),
        }),
      );
      const file = await AtomicFile.create(this.#file);
      try {
        await file.write(page);
        await file.finish();
      } finally {
        await file.release();
      }
      return { type: 'report', file: this.#file };
    } catch (error) {
      const message = `The report is not written: ${(error as Error).message}`;
      return { type: 'report-failed', file: this.#file, error: error as Error, message };
    }
  }
}

/** Of the pairs of a run of one set. A checkpoint has what they came to under the untrained model. */
async function comparisonOf(
  sets: readonly ReportedSet[],
  units: RunFacts['units'],
  intervals: ResolvedIntervals | null,
  signal: AbortSignal | undefined,
): Promise<RunComparison | null> {
  const [one] = sets;
  if (sets.length !== 1 || units === null || !isPairs(one!.data.form) || one!.rows.length === 0) return null;
  const { data, rows } = one!;
  return compareRows({
    wanted: Array.from(rows, (row) => data.labels[row]!),
    before: units.before[0]!,
    after: units.after[0]!,
    row: (i) => rows[i]!,
    texts: (i) => data.rows[rows[i]!]!,
    intervals,
    signal,
  });
}

/** How far a place of ten counts: as MRR@10 counts it. */
const ofPlace = (place: number): number => (place === 0 ? 0 : 1 / place);

/** Of the rows of a run of one set that are no pairs with scores. */
async function changedOf(
  sets: readonly ReportedSet[],
  before: AllMeasured | undefined,
  after: AllMeasured | undefined,
): Promise<RunChanged | null> {
  const [one, other] = [before?.shown?.[0]?.outcomes, after?.shown?.[0]?.outcomes];
  if (sets.length !== 1 || one === undefined || other === undefined) return null;
  const { data } = sets[0]!;
  const { kind, rows } = one;
  const ofQueries = kind === 'queries';
  const good = ({ values }: Outcomes): Float64Array =>
    Float64Array.from(values, (value) => (ofQueries ? ofPlace(value) : value));
  const shown = (value: number): number | null => (ofQueries && value === 0 ? null : value);
  const { better, worse } = await changedRows(good(one), good(other), (i, change) => {
    const row = rows[i]!;
    const texts = data.rows[row]!;
    const answer = (of: Outcomes) => ({ place: shown(of.values[i]!), first: of.first?.[i] ?? null });
    return {
      row,
      change,
      texts: ofQueries ? [texts[0]!] : [...texts],
      wanted: ofQueries
        ? texts[1]!
        : kind === 'texts'
          ? (data.classes?.[data.labels[row]!] ?? null)
          : kind === 'pairs'
            ? data.labels[row]!
            : null,
      before: shown(one.values[i]!),
      after: shown(other.values[i]!),
      ...(ofQueries && { answers: { a: answer(one), b: answer(other) } }),
    };
  });
  return { kind, better, worse };
}

/** What lies near, of each set: of pairs of one set the comparison shows it. */
function closenessOf(
  sets: readonly ReportedSet[],
  units: RunFacts['units'],
  before: AllMeasured | undefined,
  after: AllMeasured | undefined,
): RunCloseness[] | null {
  const blocks = sets.flatMap((set, i): RunCloseness[] => {
    const [one, other] =
      set.data.form === 'labelled-pairs' && sets.length > 1
        ? [byLabel(set, units?.before[i]), byLabel(set, units?.after[i])]
        : [nearOf(before?.shown?.[i]), nearOf(after?.shown?.[i])];
    if (one === undefined || other === undefined) return [];
    const both = (of: keyof Closeness) => ({ before: thinned(one[of]), after: thinned(other[of]) });
    return [
      {
        ...(set.name !== null && { set: set.name }),
        together: both('together'),
        apart: both('apart'),
        ...namesOf(set.data.form),
      },
    ];
  });
  return blocks.length === 0 ? null : blocks;
}

function nearOf(shown: Shown | undefined): Closeness | undefined {
  const near = shown?.closeness;
  return near === undefined || near.together.length < 2 || near.apart.length < 2 ? undefined : near;
}

function byLabel({ data, rows }: ReportedSet, similarities: Float32Array | undefined): Closeness | undefined {
  if (similarities === undefined || similarities.length !== rows.length) return undefined;
  const of = (label: number): Float32Array => similarities.filter((_, i) => data.labels[rows[i]!] === label);
  return nearOf({ closeness: { together: of(1), apart: of(0) } });
}

function namesOf(form: DataForm): Pick<RunCloseness, 'togetherWith' | 'apartFrom'> {
  switch (form) {
    case 'triplets':
      return { apartFrom: 'own negatives' };
    case 'classes':
      return { togetherWith: 'texts of one class', apartFrom: 'texts of two classes' };
    case 'candidates':
      return { togetherWith: 'the candidate that the teacher finds best', apartFrom: 'the other candidates' };
    case 'labelled-pairs':
      return { togetherWith: 'pairs with label 1', apartFrom: 'pairs with label 0' };
    default:
      return { apartFrom: "another row's positive" };
  }
}

/** Why no similarities are shown of rows that were validated; null where there is no more to say. */
function unshown(report: FinetuneReport | null, sets: readonly ReportedSet[]): string | null {
  if (report === null || report.before === null) return null;
  const not = 'Similarities before and after are not shown';
  if (sets.length > 1) return `${not} of several data sets of such rows.`;
  const { form } = sets[0]!.data;
  if (form === 'classified-pairs' || form === 'vectors') return `${not} of ${formWords[form]}.`;
  const { checkpoint } = report;
  return checkpoint == null || checkpoint.restoredFrom === null
    ? `${not}: there are too few validation rows, or all are alike.`
    : `${not}: the run went on from a checkpoint, which has the measures of the untrained model alone.`;
}
