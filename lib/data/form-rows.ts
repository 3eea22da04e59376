import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { finite, isList, isNumber, labelError, numbers, parsed, textList } from './cells';
import { counted, type DataForm, type TrainingData } from './form';
import { negativesOf, type FormPlan } from './form-columns';
import { Numbers } from './numbers';
import { PairClasses } from './pair-classes';
import { Premises } from './premises';
import { ScoreColumn, type ScoreOptions } from './scores';
import { checkText, placeName, type RowPlace } from './validate';

/** Rows after which a column that holds nothing but numbers is no text. */
const looksAt = 100;

export interface FormReaderOptions {
  plan: FormPlan;
  /** Of all columns. */
  names: readonly string[];
  score: ScoreOptions;
  /** The file, for messages. */
  file?: string | undefined;
  /** What to say where the columns were taken by their order, and one of them holds no texts. */
  unclear?: () => unknown;
}

/** Reads rows of texts with what belongs to them as their plan says, and checks every value. */
export class FormReader {
  readonly #options: FormReaderOptions;
  readonly #plan: FormPlan;
  /** Positions of the columns that `read` wants, in its order. */
  readonly positions: readonly number[];
  readonly textPositions: readonly number[];
  readonly #rows: (readonly string[])[] = [];
  readonly #labels = new Numbers();
  readonly #score: ScoreColumn;
  readonly #classes = new Map<string, number>();
  readonly #premises = new Premises();
  /** Of each text column, while it has held nothing but numbers. */
  readonly #numeric: boolean[];
  #kind: FormPlan['kind'] | 'margins';
  #pairClasses: PairClasses | undefined;
  #read = 0;
  #unselected = 0;

  constructor(options: FormReaderOptions) {
    this.#options = options;
    const { plan } = options;
    this.#plan = plan;
    this.textPositions = plan.kind === 'pairs' ? [plan.text1, plan.text2] : plan.texts;
    const others = plan.kind === 'pairs' ? [plan.score] : plan.kind === 'ranking' ? plan.scores : [plan.label];
    this.positions = [...this.textPositions, ...(others ?? [])];
    this.#kind = options.plan.kind;
    this.#score = new ScoreColumn(options.score);
    this.#numeric = this.textPositions.map(() => 'byOrder' in options.plan);
  }

  /** Their names. */
  get columns(): readonly string[] {
    return this.positions.map((position) => this.#options.names[position]!);
  }

  /** Whether rows are two texts and a score by names that say so. */
  get isScored(): boolean {
    return this.#plan.kind === 'pairs';
  }

  /** That columns were not read, where there are such. */
  unread(): string[] {
    const names = this.#options.names.filter((_, at) => !this.positions.includes(at));
    return unreadNotes(names);
  }

  /** The words that stood for 0 and for 1. */
  get words(): { zero: string[]; one: string[] } | null {
    return this.#score.labels;
  }

  /**
   * A row's values, one for each of `positions`. `record` is the whole row where it may have more columns than the first.
   * Gives the texts of the rows that come of it.
   *
   * @throws InvalidArgumentError names the row: ERR_TEXT_TYPE, ERR_SCORE_RANGE, ERR_LABEL
   */
  read(
    cells: readonly unknown[],
    place: RowPlace,
    record?: Readonly<Record<string, unknown>>,
  ): readonly (readonly string[])[] {
    const before = this.#rows.length;
    const columns = this.textPositions.length;
    this.#checkNumbers(cells);
    if (this.#read === 0 && cells.some((cell, i) => this.#numeric[i] === true && typeof cell === 'number'))
      this.#unclear();
    const label = cells[columns];
    if (this.#kind === 'labelled') this.#kind = kindOf(label, cells.slice(0, columns));
    switch (this.#kind) {
      case 'pairs': {
        const texts = this.#texts(cells, columns, place);
        this.#add(texts, [this.#score.read(label, place)]);
        break;
      }
      case 'ranking':
        this.#ranking(cells, place, record);
        break;
      case 'pairClasses':
        this.#pairClass(this.#texts(cells, columns, place), label, place);
        break;
      case 'nli':
        this.#premises.read(this.#texts(cells, columns, place) as [string, string], label, place);
        break;
      case 'classes': {
        const texts = this.#texts(cells, columns, place);
        this.#add(texts, [this.#class(label, place)]);
        break;
      }
      case 'margins': {
        const texts = this.#texts(cells, columns, place);
        this.#add(texts, [finite(label, this.#name(columns), place)]);
        break;
      }
      case 'selected':
        this.#selected(cells, place);
        break;
      case 'candidates': {
        const [query, list] =
          this.#plan.kind === 'candidates' ? [cells[0], cells[1]] : [cells[0], cells.slice(1, columns)];
        const candidates = textList(parsed(list), this.#name(1), place);
        if (candidates.length < 2)
          throw labelError(
            `There must be at least 2 candidates, but ${placeName(place)} has ${candidates.length}.`,
            place,
          );
        const scores = numbers(parsed(label), this.#name(columns), place);
        if (
          scores.length !== candidates.length &&
          !(scores.length === candidates.length - 1 && this.#plan.kind === 'labelled')
        )
          throw labelError(
            `There must be a score for each candidate, but ${placeName(place)} has ${candidates.length} candidates and ${counted(scores.length, 'score')}.`,
            place,
          );
        this.#add([checkText(query, this.#name(0), place), ...candidates], scores, place);
        break;
      }
      case 'vectors':
        this.#add(this.#texts(cells, columns, place), numbers(parsed(label), this.#name(columns), place), place);
        break;
    }
    ++this.#read;
    if (this.#read === looksAt) this.#checkColumns();
    return this.#rows.slice(before);
  }

  /** The data, when all rows are read. */
  finish(): TrainingData {
    this.#checkColumns();
    if (this.#kind === 'nli') this.#pairPremises();
    const rows = this.#rows;
    const labelWidth = rows.length === 0 ? 0 : this.#labels.length / rows.length;
    const labels = this.#labels.all();
    const form = this.#form(labels, labelWidth);
    return {
      form,
      rows,
      labels,
      labelWidth,
      ...(form === 'classes' && { classes: [...this.#classes.keys()] }),
      ...(form === 'candidates' && this.#plan.kind !== 'candidates' && { positiveFirst: true as const }),
    };
  }

  notes(): string[] {
    const notes = [...this.#score.notes(), ...(this.#pairClasses?.notes() ?? [])];
    if (this.#unselected > 0)
      notes.push(
        `${counted(this.#unselected, 'row has', 'rows have')} no text that belongs to the query and ${this.#unselected === 1 ? 'is' : 'are'} not used.`,
      );
    if (this.#kind === 'nli') notes.push(this.#premises.note());
    return notes;
  }

  #form(labels: ArrayLike<number>, labelWidth: number): DataForm {
    switch (this.#kind) {
      case 'pairs':
        for (let i = 0; i < labels.length; ++i) if (labels[i] !== 0 && labels[i] !== 1) return 'scored-pairs';
        return 'labelled-pairs';
      case 'classes':
      case 'vectors':
        return this.#kind;
      case 'candidates':
      case 'margins':
        return 'candidates';
      default:
        if (this.#pairClasses !== undefined) return this.#pairClasses.binary ? 'labelled-pairs' : 'classified-pairs';
        if (labelWidth > 0) return 'candidates';
        return this.#rows.some(({ length }) => length > 2) ? 'triplets' : 'positive-pairs';
    }
  }

  #add(texts: readonly string[], labels: ArrayLike<number>, place?: RowPlace): void {
    const width = this.#rows.length === 0 ? labels.length : this.#labels.length / this.#rows.length;
    if (labels.length !== width && place !== undefined)
      throw labelError(
        `All rows must have as many numbers, but ${placeName(place)} has ${labels.length}, and those before it ${width}.`,
        place,
      );
    this.#rows.push(texts);
    this.#labels.push(labels);
  }

  /** Name of the column of one of the values that `read` is given. */
  #name(cell: number): string {
    return this.#options.names[this.positions[cell]!] ?? `column ${cell}`;
  }

  #texts(cells: readonly unknown[], columns: number, place: RowPlace): string[] {
    return cells.slice(0, columns).map((cell, i) => checkText(cell, this.#name(i), place));
  }

  #ranking(cells: readonly unknown[], place: RowPlace, record?: Readonly<Record<string, unknown>>): void {
    const plan = this.#plan as Extract<FormPlan, { kind: 'ranking' }>;
    const anchor = checkText(cells[0], this.#name(0), place);
    const positives = textList(cells[1], this.#name(1), place);
    if (positives.length === 0) {
      // As where none of a row's passages is selected.
      ++this.#unselected;
      return;
    }
    const negatives: string[] = [];
    const take = (cell: unknown, name: string): void => {
      if (cell === undefined || cell === null || cell === '') return;
      negatives.push(...textList(cell, name, place));
    };
    for (let i = 2; i < plan.texts.length; ++i) take(cells[i], this.#name(i));
    // A later row may have more negatives than the first, and so more columns.
    if (record !== undefined && !('byOrder' in plan)) {
      const names = Object.keys(record);
      for (const i of negativesOf(names))
        if (!this.#options.names.includes(names[i]!)) take(record[names[i]!], names[i]!);
    }
    const scores = plan.scores === null ? [] : cells.slice(plan.texts.length);
    if (scores.length === 0 || scores.every((list) => list === null || list === undefined)) {
      for (const positive of positives) this.#add([anchor, positive, ...negatives], [], place);
      return;
    }
    const [ofPositives, ofNegatives] = scores.map((list, i) => numbers(list, this.#name(plan.texts.length + i), place));
    if (ofPositives!.length !== positives.length || ofNegatives!.length !== negatives.length)
      throw labelError(`There must be a score for each text, but ${placeName(place)} has others.`, place);
    positives.forEach((positive, i) => {
      this.#add([anchor, positive, ...negatives], [ofPositives![i]!, ...Array.from(ofNegatives!)], place);
    });
  }

  /** Each text that belongs to the query makes a row, with all that do not. */
  #selected([query, list, flags]: readonly unknown[], place: RowPlace): void {
    const anchor = checkText(query, this.#name(0), place);
    const texts = textList(parsed(list), this.#name(1), place);
    const marks = parsed(flags);
    const of = isList(marks) ? Array.from(marks, Number) : [];
    if (!isList(marks) || of.length !== texts.length || of.some((mark) => mark !== 0 && mark !== 1))
      throw labelError(
        `${this.#name(2)} must have a 0 or a 1 for each of the ${counted(texts.length, 'text')} in ${this.#name(1)}, but that of ${placeName(place)} is ${show(flags)}.`,
        place,
      );
    const [positives, negatives] = [1, 0].map((wanted) => texts.filter((_, i) => of[i] === wanted));
    if (positives!.length === 0) ++this.#unselected;
    for (const positive of positives!) this.#add([anchor, positive, ...negatives!], [], place);
  }

  #pairClass(texts: readonly string[], label: unknown, place: RowPlace): void {
    const number = (this.#pairClasses ??= new PairClasses()).read(label, place);
    if (number !== null) this.#add(texts, [number]);
  }

  #pairPremises(): void {
    if (!this.#premises.areTold) {
      const names = this.positions.map((position) => this.#options.names[position]!);
      throw new InvalidArgumentError(
        'ERR_LABEL',
        `${names.join(', ')} look like premise, hypothesis and 0, 1 or 2, but not all three are there, and with two it is not clear which of them means that the texts belong together.`,
        {
          file: this.#options.file,
          remedy: say`If 1 does, name the columns, as ${option('file.columns', { text1: names[0], text2: names[1], score: names[2] })}.`,
        },
      );
    }
    for (const row of this.#premises.rows()) this.#add(row, []);
  }

  #class(label: unknown, place: RowPlace): number {
    const whole = typeof label === 'number' ? Number.isInteger(label) : typeof label === 'bigint';
    const name = typeof label === 'string' ? label.trim() : whole || typeof label === 'boolean' ? String(label) : '';
    if (name === '')
      throw labelError(
        `A class must be a word or a whole number, but that of ${placeName(place)} is ${show(label)}.`,
        place,
      );
    let number = this.#classes.get(name);
    if (number === undefined) this.#classes.set(name, (number = this.#classes.size));
    return number;
  }

  #checkNumbers(cells: readonly unknown[]): void {
    if (this.#read > looksAt) return;
    this.#numeric.forEach((numeric, i) => {
      if (!numeric) return;
      const cell = cells[i];
      const text =
        typeof cell === 'string' ? !isNumber.test(cell) : Array.isArray(cell) || cell === undefined || cell === null;
      if (text) this.#numeric[i] = false;
    });
  }

  /** What stands where no name says what it is must at least be texts; values that are none show it at once. */
  #checkColumns(): void {
    if (this.#read === 0) return;
    if (this.#numeric.includes(true)) this.#unclear();
  }

  #unclear(): never {
    const at = this.#numeric.indexOf(true);
    const { names, file, unclear } = this.#options;
    const error = unclear?.();
    if (error !== undefined) throw error;
    throw new InvalidArgumentError(
      'ERR_DATA_FILE',
      `What the columns ${names.map((name) => `"${name}"`).join(', ')} are is not clear, and "${this.#name(at)}" holds numbers, no texts.`,
      { file },
    );
  }
}

/** That columns were not read. */
export function unreadNotes(names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`Not read: ${names.map((name) => `"${name}"`).join(', ')}.`];
}

/** What a label is, by its first value. */
function kindOf(label: unknown, texts: readonly unknown[]): FormPlan['kind'] | 'margins' {
  const columns = texts.length;
  const list = parsed(label);
  if (isList(list) && columns === 2) {
    // A 0 or a 1 for each text of a list.
    const among = parsed(texts[1]);
    const marks = Array.from(list).every((mark) => mark === 0 || mark === 1);
    if (marks && Array.isArray(among) && among.length === list.length) return 'selected';
  }
  if (isList(list))
    return columns >= 3 && (list.length === columns - 1 || list.length === columns - 2) ? 'candidates' : 'vectors';
  return columns === 1 ? 'classes' : columns === 2 ? 'pairs' : 'margins';
}
