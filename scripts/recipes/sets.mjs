// What `npm run recipes` trains on, and the rows that it measures with, which no run sees.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HELD_OUT, readPairs } from '../quickstart/data.mjs';
import { testData } from '../reference/test-data.mjs';

/** Topics of the help desk that take turns, by the seed, to be what a recipe is chosen by; all are trained on otherwise. */
const DEVELOPMENT_TOPICS = 4;

/** Rows of Quora that labels, and what belongs together, are taken from; those from 9,000 on are measured with. */
const QUORA_TRAINING = 4000;
const QUORA_DEVELOPMENT = [4000, 6000];
const QUORA_TEST = 9000;

/** @param folder where the test data is; undefined: beside the repository */
export async function openData(vectune, folder) {
  const place = (...path) => (folder === undefined ? testData(...path) : join(folder, ...path));
  const quora = await vectune.readRows(place('quora', 'quora_head_9998.tsv'));
  return { quora, stsb: (part) => stsb(place('stsb', `sts-${part}.csv`)) };
}

/** The STS Benchmark's columns stand without names, and some rows have sources behind them. */
function stsb(file) {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    const fields = line.split('\t');
    return { text1: fields[5], text2: fields[6], score: Number(fields[4]) / 5 };
  });
}

/** Rows of one label as texts and what belongs to them. */
export function positivesOf(rows) {
  return rows.filter(({ score }) => score === 1).map(({ text1, text2 }) => ({ anchor: text1, positive: text2 }));
}

function desk({ dev, seed }) {
  const { training, heldOut } = readPairs();
  if (!dev) return { training, heldOut };
  const topics = [...new Set(training.map(({ topic }) => topic))].filter((topic) => !HELD_OUT.includes(topic));
  const turn = ((seed - 1) * DEVELOPMENT_TOPICS) % topics.length;
  const held = topics.slice(turn, turn + DEVELOPMENT_TOPICS);
  return {
    training: training.filter(({ topic }) => !held.includes(topic)),
    heldOut: training.filter(({ topic }) => held.includes(topic)),
  };
}

/** Each by its name: the rows to train on, and the form that they have. `seeds` where a mean of more is wanted. */
export const SETS = {
  'quora-4000': { form: 'labels', rows: ({ quora }) => quora.slice(0, QUORA_TRAINING) },
  'quora-500': { form: 'labels', rows: ({ quora }) => quora.slice(0, 500) },
  stsb: { form: 'scores', rows: ({ stsb }) => stsb('train') },
  positives: { form: 'positives', rows: ({ quora }) => positivesOf(quora.slice(0, QUORA_TRAINING)) },
  'help-desk': {
    form: 'scores',
    seeds: '1,2,3,4,5',
    rows: (_, turn) => desk(turn).training.map(({ text1, text2, score }) => ({ text1, text2, score })),
    own: (turn) => desk(turn).heldOut,
  },
};

/** Rows that are measured with: those by which recipes are chosen, or those that nothing is chosen by. */
export function testsOf({ quora, stsb }, dev) {
  return dev
    ? { quora: quora.slice(...QUORA_DEVELOPMENT), sts: stsb('dev') }
    : { quora: quora.slice(QUORA_TEST), sts: stsb('test') };
}
