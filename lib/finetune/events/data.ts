import type { FileFacts } from '../../data/facts';
import type { DataForm } from '../../data/form';

/** The data is read, tokenised and split. */
export interface DataEvent {
  /** Tells it from the other events. */
  type: 'data';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'data';
  /** Of several data sets: which one; each is told of by an event of its own, in their order. null of one data set. */
  set: {
    /** Its name among the data sets. */
    name: string;
    /** From 1. */
    number: number;
    /** How many there are. */
    of: number;
  } | null;
  /** What the rows are; the loss follows from it, unless the option `loss` says it. */
  form: DataForm;
  /** How the data was understood, in a line: «4,000 pairs with label 0/1: 1,512 ones; columns question1, question2, is_duplicate». */
  understood: string;
  /** Rows of the data. */
  rows: number;
  /** Rows to train on. */
  trainingRows: number;
  /** Rows kept for validation. */
  validationRows: number;
  /** Tokens of all rows, special tokens included; a text counts as often as rows name it. */
  tokens: number;
  /** Tokens of the longest text. */
  longest: number;
  /** Most tokens of a text, special tokens included. */
  maxInputLength: number;
  /** Rows in which a text is empty, or only space; they are trained on. */
  emptyTexts: number;
  /** Rows that were left out because they cannot be used: see the option `onBadRow`. */
  skippedRows: number;
  /** Rows with the texts and the label of an earlier row; they are trained on. */
  duplicateRows: number;
  /**
   * Rows with the texts of an earlier row and another label, or with a negative that belongs to their anchor; they are
   * trained on.
   */
  contradictoryRows: number;
  /** Validation rows that share a text with a row that is trained on: see the option `groupedSplit`. */
  sharedValidationRows: number;
  /** How the file was understood; null where the data is no file. */
  file: FileFacts | null;
  /** What is worth knowing before hours of training, a sentence each: empty texts, words taken as scores, few rows. */
  notes: readonly string[];
}

/** Something about the training rows that a person should know; training goes on. */
export interface DataWarningEvent {
  /** Tells it from the other events. */
  type: 'data-warning';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'data-warning';
  /**
   * 'measure-not-defined': the measure that the recipe goes by has no value on these rows, and the loss stands in. The others
   * are of pairs with scores or labels. 'mostly-one-score': fewer than one training row in 20 differs from the score that the others have;
   * 'constant-validation': the scores of all validation rows lie within a hundredth; 'constant-text': one of the two texts
   * is the same in all training rows.
   */
  reason: 'mostly-one-score' | 'constant-validation' | 'constant-text' | 'measure-not-defined';
  /** The same in a sentence. */
  message: string;
}

/** Texts were embedded by the teacher, before training. */
export interface TeacherEvent {
  /** Tells it from the other events. */
  type: 'teacher';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'teacher';
  /** Different texts so far. */
  done: number;
  /** All of them. */
  texts: number;
}
