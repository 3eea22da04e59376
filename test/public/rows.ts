import { cosineSimilarity, type ScoredRow, type TextPair, type TextVectorisation } from '../../lib';

/** Words that the fixtures' tokenizers know, by topic: the topic of two texts is what a model can learn from them. */
const TOPICS = [
  ['river', 'boats', 'harbour', 'moored', 'runs', 'quiet'],
  ['bread', 'miller', 'sells', 'daughter', 'houses', 'who'],
  ['rain', 'kite', 'tonight', 'sun', 'red', 'slowly'],
];

/** `rows` pairs, half of them of one topic. Two-valued scores are 0 and 1; graded ones stand between them too. */
export function scoredRows(rows = 60, graded = false): ScoredRow[] {
  let state = 12345;
  const draw = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const text = (topic: number) => {
    const words = TOPICS[topic]!;
    return `the ${Array.from({ length: 2 + draw(4) }, () => words[draw(words.length)]).join(' ')}`;
  };
  return Array.from({ length: rows }, (_, i) => {
    const topic = draw(TOPICS.length);
    const same = i % 2 === 0;
    const other = (topic + 1 + draw(TOPICS.length - 1)) % TOPICS.length;
    const score = graded ? (same ? 1 : 0.25) - draw(3) / 8 : Number(same);
    return { text1: text(topic), text2: text(same ? topic : other), score: Math.max(0, score) };
  });
}

/** The topic that a text of such a row is of, as a number. */
export function topicOf(text: string): number {
  return TOPICS.findIndex((words) => words.includes(text.split(' ')[1]!));
}

/**
 * The rows with what the model says of them as scores: it is right already, and training can only make it worse.
 * Rows to which it gives less than 0, which no score is, are left out.
 */
export async function asItIs(model: TextVectorisation, rows: readonly ScoredRow[]): Promise<ScoredRow[]> {
  const left = await model.embed(rows.map(({ text1 }) => text1));
  const right = await model.embed(rows.map(({ text2 }) => text2));
  return rows
    .map((row, i) => ({ ...row, score: cosineSimilarity(left[i]!, right[i]!) }))
    .filter(({ score }) => score >= 0);
}

export function lists(rows: readonly ScoredRow[]): { pairs: TextPair[]; scores: number[] } {
  return { pairs: rows.map(({ text1, text2 }) => [text1, text2]), scores: rows.map(({ score }) => score) };
}
