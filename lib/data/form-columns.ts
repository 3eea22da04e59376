import { InvalidArgumentError } from '../system/errors';
import { nearest } from '../system/options';
import { option, placeholder, say } from '../system/wording';
import { hasColumns, isUsual, plainName, roles, type ColumnChoice, type Role } from './columns';

type Column = string | number;

/** Where the parts of a row stand, by the positions of their columns. `byOrder`: their names do not say what they are. */
export type FormPlan =
  /** Two texts and a number; read as such files are. */
  | { kind: 'pairs'; text1: number; text2: number; score: number }
  /** Texts without a label: the anchor, its positive, and negatives. Positive and negatives may be lists. */
  | {
      kind: 'ranking';
      texts: readonly [number, number, ...number[]];
      /** Of FlagEmbedding's rows: a teacher's scores of the positives and of the negatives. */
      scores: readonly [number, number] | null;
      byOrder?: true;
    }
  /** Two texts and one of several classes. */
  | { kind: 'pairClasses'; texts: readonly [number, number]; label: number }
  /** Premise, hypothesis and 0, 1, 2 for entailment, neutral, contradiction. */
  | { kind: 'nli'; texts: readonly [number, number]; label: number }
  | { kind: 'classes'; texts: readonly [number]; label: number }
  /** Texts and a label, which says by its first value what it is: a number, a word, or a list of numbers. */
  | { kind: 'labelled'; texts: readonly number[]; label: number; byOrder?: true }
  | { kind: 'vectors'; texts: readonly number[]; label: number }
  /** A query, a list of texts and a list that says of each, by 0 or 1, whether it belongs to the query. */
  | { kind: 'selected'; texts: readonly [number, number]; label: number }
  /** A query, a list of texts and a list of a teacher's scores. */
  | { kind: 'candidates'; texts: readonly [number, number]; label: number };

const usual = {
  anchor: ['anchor', 'query', 'question'],
  positive: ['positive', 'positives', 'pos', 'answer', 'passage', 'document', 'response'],
  text: ['text', 'sentence'],
  label: ['label', 'labels', 'class', 'category', 'topic', 'intent'],
  vector: ['vector', 'embedding', 'teachervector', 'teacherembedding'],
  candidates: ['candidates', 'documents', 'passages'],
  scores: ['scores', 'teacherscores'],
} as const;

/** The label's column by sentence-transformers' rule: the first of these that is there. */
const labels = ['label', 'labels', 'score', 'scores'];

/** Names that hold no text: trained on, they would teach numbers of rows. */
export function isId(name: string): boolean {
  return /^(?:.*[._-])?(?:id|ids|idx)$/i.test(name) || /[a-z]I[Dd]s?$/.test(name);
}

const isNegative = (name: string): boolean => /^(?:hard)?neg(?:ative)?s?\d*$/.test(plainName(name));

/** negative_1 before negative_2, before negative_10; others as they stand. */
export function negativesOf(names: readonly string[]): number[] {
  const number = (i: number): number => Number(/\d+$/.exec(names[i]!)?.[0] ?? 0);
  return names.flatMap((name, i) => (isNegative(name) ? [i] : [])).sort((a, b) => number(a) - number(b) || a - b);
}

/**
 * What the rows of a table are, by the names of its columns and by those that were chosen; null where they do not say it,
 * or say that they are two texts and a score as `resolveColumns` finds them.
 *
 * @param named whether the columns have names
 * @throws InvalidArgumentError ERR_INVALID_OPTION: chosen columns that are not there, or do not belong together
 */
export function planOf(names: readonly string[], choice: ColumnChoice, named: boolean): FormPlan | null {
  const chosen = Object.keys(choice).filter((part) => !roles.includes(part as Role));
  if (chosen.length > 0) return planOfChoice(names, choice, named);
  if (Object.keys(choice).length > 0 || !named || hasColumns(names, choice)) return null;
  const at = (part: keyof typeof usual): number => first(names, usual[part]);
  const find = (name: string): number => names.findIndex((one) => plainName(one) === name);
  const nli = [find('premise'), find('hypothesis'), find('label')] as const;
  if (nli.every((position) => position >= 0)) return { kind: 'nli', texts: [nli[0], nli[1]], label: nli[2] };
  const anchor = at('anchor');
  const [candidates, scores] = [at('candidates'), at('scores')];
  if (anchor >= 0 && candidates >= 0 && scores >= 0)
    return { kind: 'candidates', texts: [anchor, candidates], label: scores };
  const [passages, selected] = selectedOf(names);
  if (anchor >= 0 && passages >= 0) return { kind: 'selected', texts: [anchor, passages], label: selected };
  const positive = at('positive');
  const label = labels.map((name) => find(name)).find((position) => position >= 0);
  if (anchor >= 0 && positive >= 0) {
    const negatives = negativesOf(names);
    const teacher = [find('posscores'), find('negscores')] as const;
    if (label === undefined) {
      const both = teacher.every((position) => position >= 0);
      return { kind: 'ranking', texts: [anchor, positive, ...negatives], scores: both ? teacher : null };
    }
    if (negatives.length > 0) return { kind: 'labelled', texts: [anchor, positive, ...negatives], label };
    return { kind: 'pairs', text1: anchor, text2: positive, score: label };
  }
  const [text, vector] = [at('text'), at('vector')];
  if (text >= 0 && vector >= 0) return { kind: 'vectors', texts: [text], label: vector };
  const group = at('label');
  if (text >= 0 && group >= 0 && textColumns(names, [group]).length === 1)
    return { kind: 'classes', texts: [text], label: group };
  return byOrder(names, label);
}

/**
 * The same of rows of which the loss wants a class of two texts, as softmax does: where there are two texts and a label, that
 * is the class, and of premises and hypotheses all three are kept.
 */
export function asPairClasses(plan: FormPlan): FormPlan {
  if (plan.kind === 'pairs') return { kind: 'pairClasses', texts: [plan.text1, plan.text2], label: plan.score };
  if ((plan.kind !== 'nli' && plan.kind !== 'labelled') || plan.texts.length !== 2) return plan;
  return { kind: 'pairClasses', texts: [plan.texts[0]!, plan.texts[1]!], label: plan.label };
}

/** Whether names are those that are looked for, as text after a guessed delimiter may be. */
export function fitsForm(names: readonly string[], choice: ColumnChoice): boolean {
  if (hasColumns(names, choice)) return true;
  try {
    const plan = planOf(names, choice, true);
    return plan !== null && !('byOrder' in plan);
  } catch {
    return false;
  }
}

function first(names: readonly string[], wanted: readonly string[]): number {
  for (const name of wanted) {
    const position = names.findIndex((one) => plainName(one) === name);
    if (position >= 0) return position;
  }
  return -1;
}

/** As `passages.text` and `passages.is_selected`: the members of one list; -1 for both where there are none. */
function selectedOf(names: readonly string[]): [texts: number, selected: number] {
  const parts = names.map((name) => {
    const dot = name.lastIndexOf('.');
    return { list: name.slice(0, Math.max(0, dot)), member: plainName(name.slice(dot + 1)) };
  });
  for (const [selected, { list, member }] of parts.entries()) {
    if (list === '' || !['isselected', 'selected', 'isrelevant', 'relevant'].includes(member)) continue;
    const texts = parts.findIndex(
      (one) => one.list === list && /^(?:passage|document)?(?:text|body|content)$/.test(one.member),
    );
    if (texts >= 0) return [texts, selected];
  }
  return [-1, -1];
}

function textColumns(names: readonly string[], others: readonly number[]): number[] {
  return names.flatMap((name, i) => (others.includes(i) || isId(name) ? [] : [i]));
}

/** As sentence-transformers reads a data set: names count for the label only. */
function byOrder(names: readonly string[], label: number | undefined): FormPlan | null {
  const texts = textColumns(names, label === undefined ? [] : [label]);
  if (label !== undefined) return texts.length === 0 ? null : { kind: 'labelled', texts, label, byOrder: true };
  // Where some of the usual names of a scored pair are there, another may be misspelt: that is asked for by name.
  const scored = roles.filter((role) => names.some((name) => isUsual(role, name)));
  if (texts.length < 2 || (scored.length > 0 && !(scored.length === 2 && texts.length === 2))) return null;
  return { kind: 'ranking', texts: texts as [number, number, ...number[]], scores: null, byOrder: true };
}

function planOfChoice(names: readonly string[], choice: ColumnChoice, named: boolean): FormPlan {
  const position = (part: string, name: Column): number => {
    const found = typeof name === 'number' ? (name < names.length ? name : -1) : named ? names.indexOf(name) : -1;
    if (found >= 0) return found;
    const path = `file.columns.${part}`;
    const near = typeof name === 'string' ? nearest(name, names) : undefined;
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`There is no column ${typeof name === 'string' ? `"${name}"` : `number ${name}`} (${option(path)}); there are ${names.map((one) => `"${one}"`).join(', ')}.`,
      { remedy: near === undefined ? undefined : say`Did you mean ${option(path, near)}?` },
    );
  };
  const one = (part: keyof ColumnChoice): number => position(part, choice[part] as Column);
  const several = (part: keyof ColumnChoice): number[] =>
    ([choice[part] ?? []].flat() as Column[]).map((name) => position(part, name));
  const given = new Set(Object.keys(choice));
  const are = (...parts: (keyof ColumnChoice)[]): boolean =>
    given.size === parts.length && parts.every((part) => given.has(part));
  if (are('anchor', 'positive') || are('anchor', 'positive', 'negative'))
    return { kind: 'ranking', texts: [one('anchor'), one('positive'), ...several('negative')], scores: null };
  if (are('anchor', 'positive', 'score'))
    return { kind: 'pairs', text1: one('anchor'), text2: one('positive'), score: one('score') };
  if (are('anchor', 'positive', 'negative', 'scores'))
    return { kind: 'labelled', texts: [one('anchor'), one('positive'), ...several('negative')], label: one('scores') };
  if (are('anchor', 'candidates', 'scores'))
    return { kind: 'candidates', texts: [one('anchor'), one('candidates')], label: one('scores') };
  if (are('anchor', 'candidates', 'label'))
    return { kind: 'selected', texts: [one('anchor'), one('candidates')], label: one('label') };
  if (are('text', 'label')) {
    const [text, ...more] = several('text');
    if (text !== undefined && more.length === 0) return { kind: 'classes', texts: [text], label: one('label') };
    if (text !== undefined && more.length === 1)
      return { kind: 'labelled', texts: [text, more[0]!], label: one('label') };
  }
  if (are('text', 'vector')) return { kind: 'vectors', texts: several('text'), label: one('vector') };
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    say`${option('file.columns')} names ${[...given].join(', ')}, which make no row: there must be text1, text2, score; anchor, positive and perhaps negative; text, label; text, vector; anchor, candidates, scores; or anchor, candidates, label.`,
    { remedy: say`Give for example ${option('file.columns', placeholder)}.` },
  );
}
