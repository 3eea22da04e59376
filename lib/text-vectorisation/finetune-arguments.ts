import { areTextRows, listRows, textRows, type LabelList, type ListRows, type TextList } from '../data/lists';
import { collectLists, collectRows, noSplit, standsInMemory } from '../data/source';
import type { DataSource } from '../data/training-row';
import { EmbeddingsEndpoint } from '../embed/endpoint';
import type { EmbeddingModel } from '../evaluate/embedding';
import { checkValidates } from '../finetune/checks';
import type { KeepReading } from '../finetune/keep';
import { wantsPairClasses } from '../finetune/losses/fit';
import type { FinetuneOptions } from '../finetune/options';
import { resolveOptions, type ResolvedOptions } from '../finetune/resolved-options';
import { areDataSets, resolveSets, type DataSets, type SetSource } from '../finetune/sets/options';
import { errorOfSet, type SetJob } from '../finetune/sets/read';
import { areTextsAlone, collectTexts, isVectorFile, type TeacherJob } from '../finetune/teacher';
import { hubDataSet } from '../model/fetch/data-set';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { constructorOptions } from '../text-vectorisation-options';

/** What a run takes from elsewhere. */
export interface Sources {
  hubFiles: NonNullable<KeepReading['hubFiles']>;
  /** A model by its name or folder, to learn from. */
  teacher: (name: string) => EmbeddingModel & { dispose(): Promise<void> };
}

/** What `finetune` was called with: two lists, one source or several sets by their names, and options. */
export class FinetuneArguments {
  readonly #source: TextList | DataSource | DataSets;
  readonly #second: LabelList | FinetuneOptions | undefined;
  readonly #third: FinetuneOptions | undefined;
  readonly #asLists: boolean;
  readonly #several: DataSets | null;

  constructor(
    source: TextList | DataSource | DataSets,
    second: LabelList | FinetuneOptions | undefined,
    third: FinetuneOptions | undefined,
  ) {
    const labelled = Array.isArray(second) || ArrayBuffer.isView(second);
    const alone = !labelled && third === undefined && areTextRows(source);
    this.#asLists = labelled || (!alone && Array.isArray(source) && Array.isArray(source[0]));
    this.#several = !labelled && third === undefined && areDataSets(source) ? source : null;
    this.#source = source;
    this.#second = second;
    this.#third = third;
  }

  /**
   * Checked. What is wrong with lists is told at once, a file or an iterable is not touched.
   *
   * @throws InvalidArgumentError
   */
  resolve(sources: Sources): { sets: SetJob[]; options: ResolvedOptions } {
    if (!this.#asLists && this.#third !== undefined) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        'finetune takes pairs, scores and options, or a file or rows ' +
          `and options, but was given ${show(this.#source)}, ${show(this.#second)} and ${show(this.#third)}.`,
      );
    }
    const options = resolveOptions(this.#asLists ? this.#third : this.#second, [constructorOptions]);
    const sets =
      this.#several === null ? [this.#oneSet(options, sources)] : severalSets(this.#several, options, sources);
    return { sets, options };
  }

  /** The one set of a run. */
  #oneSet(options: ResolvedOptions, sources: Sources): SetJob {
    const { loss, sampler, measure } = options;
    checkValidates(measure, options);
    const lists = this.#asLists
      ? listRows(this.#source, this.#second, wantsPairClasses(options), options.file)
      : undefined;
    return { name: null, loss, sampler, measure, ...reading(this.#source as SetSource, lists, options, sources) };
  }
}

function severalSets(source: DataSets, options: ResolvedOptions, sources: Sources): SetJob[] {
  return resolveSets(source, options).map((set) => {
    const { name, loss, sampler, measure, data, labels, file } = set;
    const { recipe, onBadRow } = options;
    try {
      checkValidates(measure, options);
      const lists = labels === undefined ? undefined : listRows(data, labels, wantsPairClasses({ loss, recipe }), file);
      return { name, loss, sampler, measure, ...reading(data, lists, { ...set, recipe, onBadRow }, sources) };
    } catch (error) {
      throw errorOfSet(name, error);
    }
  });
}

/** How a source is read, and who teaches. What is wrong with lists is told at once. */
function reading(
  source: SetSource,
  lists: ListRows | undefined,
  options: Pick<ResolvedOptions, 'recipe' | 'loss' | 'teacher' | 'teacherFile' | 'file' | 'split' | 'onBadRow'>,
  sources: Sources,
): Pick<SetJob, 'data' | 'atOnce' | 'teacher'> {
  const { teacher, teacherFile, onBadRow } = options;
  const rows = lists ?? (areTextRows(source) ? textRows(source, options.file) : undefined);
  if (rows !== undefined && options.split !== null) throw noSplit();
  if (rows === undefined) hubDataSet(source); // refuses a wrong name
  const atOnce = standsInMemory(source);
  const data: SetJob['data'] = async (signal) => {
    if (teacher !== null && lists === undefined && areTextsAlone(source))
      return collectTexts(source, options.file, signal);
    if (rows !== undefined) return collectLists(rows, onBadRow, signal);
    const files = atOnce ? undefined : await sources.hubFiles(source, options.split, signal);
    const pairClasses = wantsPairClasses(options);
    return collectRows(source as DataSource, { ...options, files, pairClasses }, signal);
  };
  return { data, atOnce, teacher: teacher === null ? undefined : () => teacherOf(teacher, teacherFile, sources) };
}

/** A teacher as it was named; one that is made here is freed after it has taught. */
function teacherOf(
  named: EmbeddingModel | string,
  keep: string | null,
  sources: Sources,
): TeacherJob & { release: () => Promise<void> } {
  const nothing = () => Promise.resolve();
  if (typeof named !== 'string') return { source: { model: named }, keep, release: nothing };
  if (/^https?:\/\//i.test(named)) return { source: { model: new EmbeddingsEndpoint(named) }, keep, release: nothing };
  if (isVectorFile(named)) return { source: { file: named }, keep, release: nothing };
  const model = sources.teacher(named);
  return { source: { model }, keep, release: () => model.dispose() };
}
