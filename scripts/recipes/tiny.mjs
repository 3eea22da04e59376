// npm run recipes -- tiny: sets of 8, 32 and 100 rows of each form, drawn anew each time, beside the untrained model on
// rows that no draw has. None may become worse by more than chance makes of the rows that are measured with.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPairs, textsOf } from '../quickstart/data.mjs';
import { MAX_INPUT_LENGTH, remembering } from './measure.mjs';
import { positivesOf, SETS, testsOf } from './sets.mjs';

export const SIZES = [8, 32, 100];
/** Rows that are measured with, at most. */
const HELD_OUT = 500;

/** Draws whose 95 % interval lies below 0 by chance, of 20: more than these are found once in a hundred times. */
export const BY_CHANCE = (draws) => Math.ceil(0.025 * draws + 2.33 * Math.sqrt(0.025 * 0.975 * draws));

const eachText = (rows) => [...new Set(textsOf(rows))];

/** Each form by its name: the rows to draw from, those to measure with, and the measure; options that the form wants. */
const FORMS = {
  labels: (data, tests) => ({ pool: labelled(data), held: tests.quora, measure: 'averagePrecision' }),
  scores: (data, tests) => ({ pool: scored(data), held: tests.sts, measure: 'spearman' }),
  positives: (data, tests) => ({ pool: SETS.positives.rows(data), held: positivesOf(tests.quora), measure: 'mrr@10' }),
  /** Duplicates with the nearest question that is none. */
  async triplets(data, tests, { vectune, untrained }) {
    const options = { numNegatives: 1, relativeMargin: 0.05, maxInputLength: MAX_INPUT_LENGTH };
    const mined = async (positives) => (await vectune.mineHardNegatives(untrained, positives, options)).rows;
    return {
      pool: await mined(SETS.positives.rows(data)),
      held: await mined(positivesOf(tests.quora)),
      measure: 'accuracy',
    };
  },
  classes() {
    const of = (rows) =>
      rows.flatMap(({ topic, text1, text2 }) => [text1, text2].map((text) => ({ text, label: topic })));
    const desk = of(readPairs().training);
    // Every other text: both sets have all of the topics.
    const [pool, held] = [0, 1].map((side) => desk.filter((_, i) => i % 2 === side));
    return { pool, held, measure: 'knnAccuracy' };
  },
  /** The STS Benchmark's pairs in three classes. */
  'pair-classes'(data, tests) {
    const of = (rows) =>
      rows.map(({ text1, text2, score }) => ({
        text1,
        text2,
        label: score < 0.4 ? 'other' : score < 0.8 ? 'near' : 'same',
      }));
    const wants = { training: { loss: 'softmax' }, comparing: { task: 'label-accuracy' } };
    return { pool: of(scored(data)), held: of(tests.sts), measure: 'labelAccuracy', ...wants };
  },
  /** Vectors of the model as the STS Benchmark's training rows make it by default. */
  async teacher(data, tests, { vectune, model }) {
    const teacher = new vectune.TextVectorisation(model, { precision: 'auto' });
    try {
      await teacher.finetune(scored(data), { seed: 1, maxInputLength: MAX_INPUT_LENGTH });
      const of = async (texts) => {
        const vectors = await teacher.embed(texts, { maxInputLength: MAX_INPUT_LENGTH });
        return texts.map((text, i) => ({ text, vector: Array.from(vectors[i]) }));
      };
      const held = eachText(tests.quora).slice(0, HELD_OUT);
      return { pool: await of(eachText(labelled(data))), held: await of(held), measure: 'teacherAgreement' };
    } finally {
      await teacher.dispose();
    }
  },
};

const labelled = SETS['quora-4000'].rows;
const scored = SETS.stsb.rows;

/** Rows drawn from a pool by a seed, in an order of its own. */
function drawn(pool, count, seed) {
  let state = seed;
  const next = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const rows = pool.slice();
  return Array.from({ length: count }, () => rows.splice(next(rows.length), 1)[0]);
}

/** @param options of every run @param say is given a line for each form and size; gives whether none became worse */
export async function tiny(vectune, model, data, { draws, sizes, names, options, log }, say) {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-tiny-'));
  const base = new vectune.TextVectorisation(model, { precision: 'auto' });
  const untrained = remembering(base);
  let good = true;
  try {
    for (const [form, rowsOf] of Object.entries(FORMS)) {
      if (names.length > 0 && !names.includes(form)) continue;
      const {
        pool,
        held,
        measure,
        training = {},
        comparing = {},
      } = await rowsOf(data, testsOf(data, false), { vectune, model, untrained });
      const file = join(folder, `${form}.jsonl`);
      writeFileSync(
        file,
        held
          .slice(0, HELD_OUT)
          .map((row) => `${JSON.stringify(row)}\n`)
          .join(''),
      );
      for (const size of sizes) {
        const found = [];
        for (let draw = 1; draw <= draws; ++draw) {
          const tv = new vectune.TextVectorisation(model, { precision: 'auto' });
          try {
            const rows = drawn(pool, size, 1000 * size + draw);
            const report = await tv.finetune(rows, {
              ...options,
              ...training,
              seed: draw,
              maxInputLength: MAX_INPUT_LENGTH,
            });
            const { share, bestEpoch, seconds, gain } = report;
            const kept = bestEpoch === 0;
            // What was not changed is as it was.
            const { difference, interval, verdict } = kept
              ? { difference: 0, interval: null, verdict: 'within noise' }
              : (await vectune.compare(untrained, tv, file, { ...comparing, maxInputLength: MAX_INPUT_LENGTH }))
                  .measures[measure];
            found.push({ difference, verdict, share, seconds, gain });
            log({ set: 'tiny', form, size, draw, difference, interval, verdict, share, bestEpoch, seconds, gain });
          } catch (error) {
            // Of 8 rows drawn at random all may have one label, which is refused.
            if (!/^ERR_(CONSTANT|SINGLE)/.test(error.code)) throw error;
            found.push({ difference: 0, verdict: 'refused', share: 0, seconds: 0 });
          } finally {
            await tv.dispose();
          }
        }
        const count = (wanted) => found.filter(({ verdict }) => verdict === wanted).length;
        const mean = (of) => found.reduce((sum, one) => sum + of(one), 0) / found.length;
        const least = Math.min(...found.map(({ difference }) => difference));
        const changed = found.filter(({ share }) => share > 0).length;
        const worse = count('worse');
        good &&= worse <= BY_CHANCE(draws);
        say(
          `${form.padEnd(10)} ${String(size).padStart(3)} rows  ${measure} ${signed(mean((one) => one.difference))} on average, ` +
            `${signed(least)} at least; ${count('better')} better, ${worse} worse, ` +
            `${changed} of ${draws} changed, ${mean(({ seconds }) => seconds).toFixed(1)} s` +
            `${worse > BY_CHANCE(draws) ? '  WORSE THAN CHANCE' : ''}`,
        );
      }
    }
  } finally {
    await base.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
  return good;
}

function signed(value) {
  return `${value < 0 ? '-' : '+'}${Math.abs(100 * value).toFixed(2)}`;
}
