import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';

export const FILE = new URL('pairs.csv', import.meta.url);

/** Topics that training never sees. */
export const HELD_OUT = ['groups', 'booking', 'accidents', 'pauses'];

/** The rows of pairs.csv, split by topic. DATA.md says how they were written and scored. */
export function readPairs(file = FILE) {
  const rows = parse(readFileSync(file, 'utf8'), { columns: true }).map(({ topic, text1, text2, score }) => ({
    topic,
    text1,
    text2,
    score: Number(score),
  }));
  const isHeldOut = ({ topic }) => HELD_OUT.includes(topic);
  return { training: rows.filter((row) => !isHeldOut(row)), heldOut: rows.filter(isHeldOut) };
}

/** Every text of the rows, both columns. */
export function textsOf(rows) {
  return rows.flatMap(({ text1, text2 }) => [text1, text2]);
}
