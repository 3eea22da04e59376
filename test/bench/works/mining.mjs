import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, rate, row } from './row.mjs';

/** Hard negatives of 10,000 anchors in 100,000 passages, beside what the products alone would take. */
export async function mining(c) {
  const [queries, passages, dimensions] = [10_000, 100_000, 384];
  const request = { kind: 'mine', model: c.model, threads: c.threads, queries, passages, dimensions };
  const [ours] = await inTurn([() => runWork('vectune', request)], c.runs);
  const products = (2 * queries * passages * dimensions) / (c.peak.fp32 * 1e9);
  const mine = spread(ours, ({ seconds }) => seconds);
  const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
  const ratio = mine.median / products;
  c.figures.push({ work: 'mining', queries, passages, dimensions, ours: mine, products, resident });
  return [
    row(
      'hard negatives of 10,000 anchors in 100,000 passages, search alone',
      { ours: rate(mine.median, 's'), peer: `${rate(products, 's')} the products`, ratio, peak: megabytes(resident) },
      [['≤ 3 ×', ratio <= 3]],
    ),
  ];
}
