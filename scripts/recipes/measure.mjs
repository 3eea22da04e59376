// What a model is worth: average precision of labels, Spearman of scores, MRR@10 of the duplicate among all questions,
// and the set's own rows where it has some.

export const MAX_INPUT_LENGTH = 64;

const MEASURES = [
  ['own', 'own rows', 100],
  ['ap', 'AP', 100],
  ['sts', 'STSb', 100],
  ['mrr', 'MRR@10', 100],
];

/** Vectors that were computed are not computed again. */
export function remembering(tv) {
  const known = new Map();
  return {
    async embed(texts, options) {
      const missing = [...new Set(texts)].filter((text) => !known.has(text));
      const vectors = await tv.embed(missing, options);
      missing.forEach((text, i) => known.set(text, vectors[i]));
      return texts.map((text) => known.get(text));
    },
  };
}

/** Numbers of one model, by name. @param own graded rows of the set's own */
export async function measure(vectune, model, { quora, sts }, own) {
  const tv = remembering(model);
  const options = { intervals: false, maxInputLength: MAX_INPUT_LENGTH };
  const labelled = quora.map(({ text1, text2, score }) => ({ text1, text2, label: score }));
  const found = {};
  if (own !== undefined) found.own = (await vectune.evaluateSimilarity(tv, own, options)).metrics.spearman;
  found.ap = (await vectune.evaluateBinary(tv, labelled, options)).metrics.averagePrecision;
  found.sts = (await vectune.evaluateSimilarity(tv, sts, options)).metrics.spearman;
  const retrieval = await vectune.evaluateRetrieval(tv, duplicates(quora), { ...options, ignoreSameId: true });
  found.mrr = retrieval.metrics['mrr@10'];
  return found;
}

/** Each question of a duplicate pair searches among all questions of the rows. */
function duplicates(rows) {
  const texts = [...new Set(rows.flatMap(({ text1, text2 }) => [text1, text2]))];
  const relevant = new Map();
  for (const { text1, text2, score } of rows) {
    if (score !== 1 || text1 === text2) continue;
    for (const [query, other] of [
      [text1, text2],
      [text2, text1],
    ])
      relevant.set(query, [...(relevant.get(query) ?? []), other]);
  }
  return {
    queries: [...relevant.keys()].map((text) => ({ id: text, text })),
    corpus: texts.map((text) => ({ id: text, text })),
    relevant,
  };
}

/** `AP 76.17  STSb 82.03  …` */
export function describe(found) {
  return MEASURES.filter(([name]) => found[name] !== undefined)
    .map(([name, words, times]) => `${words} ${(times * found[name]).toFixed(2)}`)
    .join('  ');
}

/** The mean of each measure, and of the seconds. */
export function meanOf(runs) {
  const mean = (name) => runs.reduce((sum, run) => sum + run[name], 0) / runs.length;
  return Object.fromEntries([...MEASURES.map(([name]) => name), 'seconds'].map((name) => [name, mean(name)]));
}

/** The lines of a table: a row for each trainer, mean first and then each seed, a column for each measure. */
export function table(trainers) {
  const columns = MEASURES.filter(([name]) => trainers.some(({ runs }) => runs[0][name] !== undefined));
  const cells = trainers.map(({ name, runs }) => {
    const mean = meanOf(runs);
    const number = (value, times) => (times * value).toFixed(2);
    return [
      name,
      ...columns.map(([measured, , times]) => {
        const each = runs.map((run) => number(run[measured], times));
        return runs.length === 1 ? each[0] : `${number(mean[measured], times)} (${each.join(' ')})`;
      }),
      `${mean.seconds.toFixed(0)} s`,
    ];
  });
  const lines = [['', ...columns.map(([, words]) => words), 'time'], ...cells];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  return lines.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}
