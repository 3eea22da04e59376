import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, rate, row } from './row.mjs';

/** The ten nearest of 10⁶ vectors of 384 in int8 for each of 100 queries, beside reading those bytes from memory once. */
export async function search(c) {
  const [vectors, queries, dimensions] = [1_000_000, 100, 384];
  const request = { kind: 'search', model: c.model, threads: c.threads, vectors, queries, dimensions };
  const [ours] = await inTurn([() => runWork('vectune', request)], c.runs);
  const searching = spread(ours, ({ searchSeconds }) => searchSeconds);
  const reading = spread(ours, ({ readSeconds }) => readSeconds);
  const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
  const ratio = searching.median / reading.median;
  c.figures.push({ work: 'search', vectors, queries, dimensions, ours: searching, reading, resident });
  return [
    row(
      '100 queries in 1,000,000 vectors of 384 in int8',
      {
        ours: rate(searching.median, 's'),
        peer: `${rate(reading.median, 's')} reading`,
        ratio,
        peak: megabytes(resident),
      },
      [['≤ 2 ×', ratio <= 2]],
    ),
  ];
}
