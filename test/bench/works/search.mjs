import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, rate, row } from './row.mjs';

/**
 * The ten nearest of 10⁶ vectors of 384 in int8, of one query and of 100 at once, beside reading those bytes from memory
 * once: one query is bound by memory, and each of 100, which share what is read, must cost less than it does alone.
 */
export async function search(c) {
  const [vectors, queries, dimensions] = [1_000_000, 100, 384];
  const request = { kind: 'search', model: c.model, threads: c.threads, vectors, queries, dimensions };
  const [ours] = await inTurn([() => runWork('vectune', request)], c.runs);
  const reading = spread(ours, ({ readSeconds }) => readSeconds);
  const one = spread(ours, ({ oneSeconds }) => oneSeconds);
  const all = spread(ours, ({ searchSeconds }) => searchSeconds);
  const resident = spread(ours, ({ peakBytes }) => peakBytes).median;
  c.figures.push({ work: 'search', vectors, queries, dimensions, reading, one, all, resident });
  const beside = (name, ours, readings) => {
    const ratio = ours.median / (readings * reading.median);
    const peer = `${rate(readings * reading.median, 's')} ${readings === 1 ? 'a reading' : `${readings} readings`}`;
    const cells = { ours: rate(ours.median, 's'), peer, ratio, peak: megabytes(resident) };
    return row(name, cells, [['≤ 2 ×', ratio <= 2]]);
  };
  const corpus = '1,000,000 vectors of 384 in int8';
  return [beside(`a query in ${corpus}`, one, 1), beside(`${queries} queries in ${corpus}`, all, queries)];
}
