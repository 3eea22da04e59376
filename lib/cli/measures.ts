import type { Evaluation } from '../evaluate/evaluation';

const names: Record<string, string> = {
  spearman: 'Spearman',
  pearson: 'Pearson',
  averagePrecision: 'average precision',
  f1: 'best F1',
  f1Threshold: 'best F1 from similarity',
  precision: 'precision there',
  recall: 'recall there',
  mcc: "Matthews' correlation there",
  accuracy: 'accuracy',
  accuracyThreshold: 'best accuracy from similarity',
  threshold: 'best F1 from similarity',
  knnAccuracy: 'accuracy of neighbours',
  labelAccuracy: 'accuracy of classes',
  silhouette: 'silhouette',
  map: 'MAP',
  teacherAgreement: 'agreement with the teacher',
};

/** A measure as a person calls it. */
export function measureName(name: string): string {
  const at = /^(mrr|ndcg|map)(@\d+)$/.exec(name);
  return at !== null ? at[1]!.toUpperCase() + at[2]! : (names[name] ?? name);
}

/** What was counted, in words. */
export function unitsOf({ form, unit }: Pick<Evaluation<object>, 'form' | 'unit'>): string {
  if (form === 'similarity') return 'pairs with scores';
  if (form === 'binary') return 'pairs with labels';
  if (form === 'classes') return 'texts with classes';
  if (form === 'label-accuracy') return 'pairs with classes';
  if (form === 'reranking') return 'queries with candidates';
  return unit;
}

/** How vectors were compared, in words. */
export function comparedBy({ form, similarity }: Pick<Evaluation<object>, 'form' | 'similarity'>): string {
  return form === 'label-accuracy' ? 'a linear classifier' : similarity;
}

/** What is worth knowing of the data, below an empty line. */
export function notesOf({ notes }: { notes: readonly string[] }): string[] {
  return notes.length === 0 ? [] : ['', ...notes.map((note) => oneLine(note, 500))];
}

/** As short as it is exact to some digits. */
export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** A text of the data on one line of a terminal: what would move the cursor or colour it is shown, not done. */
export function oneLine(text: string, length: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
  const plain = text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (control) =>
    /[\t\n\r]/.test(control) ? ' ' : `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  const characters = [...plain];
  return characters.length <= length ? plain : `${characters.slice(0, length - 1).join('')}…`;
}
