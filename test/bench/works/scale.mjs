import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, row } from './row.mjs';

export async function scale(c) {
  const rows = [];
  let first;
  for (const count of c.full ? [1000, 10000, 100000] : [1000, 10000]) {
    const pairs = Array.from({ length: count }, (_, i) => c.pairs[i % c.pairs.length]);
    const scores = Array.from({ length: count }, (_, i) => i % 2);
    const [results] = await inTurn(
      [
        () =>
          runWork('vectune', {
            kind: 'finetune',
            model: c.model,
            precision: c.precisions.at(-1),
            batchSize: 32,
            threads: c.threads,
            maxInputLength: 64,
            pairs,
            scores,
          }),
      ],
      count === 100000 ? 1 : Math.min(3, c.runs),
    );
    const perToken = spread(results, ({ seconds, tokens }) => seconds / tokens).median;
    const { residentBytes, tokens } = results[0];
    first ??= { perToken, residentBytes, tokens };
    const time = perToken / first.perToken;
    c.figures.push({ work: 'scale', count, perToken, residentBytes, tokens });
    rows.push(
      row(
        `${count} pairs, ${c.precisions.at(-1)}`,
        {
          ours: `${(1e6 * perToken).toFixed(0)} µs per token, ${time.toFixed(2)} of 1,000 pairs'`,
          peak: megabytes(residentBytes),
        },
        [['flat within 10 %', Math.abs(time - 1) <= 0.1]],
      ),
    );
  }
  return rows;
}
