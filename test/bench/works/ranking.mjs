import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, rate, row } from './row.mjs';

/** Positives of Quora, each with the nearest text that is not its duplicate. */
export async function ranking(c) {
  const rows = [];
  const { triplets, short } = await c.triplets();
  const minimum = { fp32: 3.3, bf16: 4.5 };
  for (const precision of c.precisions) {
    for (const [batchSize, stepSize] of [
      [64, 64],
      [64, 512],
    ]) {
      const request = {
        kind: 'finetune',
        model: c.model,
        precision,
        batchSize,
        stepSize,
        threads: c.threads,
        maxInputLength: 64,
        triplets,
      };
      const [ours, theirs] = await inTurn(
        [() => runWork('vectune', request), () => runWork('sentenceTransformers', request, { python: c.python })],
        c.runs,
      );
      const speed = (results) => spread(results, ({ seconds }) => triplets.length / seconds);
      const peak = (results) => spread(results, ({ peakBytes }) => peakBytes).median;
      const [mine, its] = [speed(ours), speed(theirs)];
      const ratio = mine.median / its.median;
      const memory = peak(ours) / peak(theirs);
      const cached = stepSize > batchSize;
      c.figures.push({
        work: 'ranking',
        precision,
        batchSize,
        stepSize,
        ours: mine,
        peer: its,
        resident: peak(ours),
        peerResident: peak(theirs),
      });
      rows.push(
        row(
          `ranking, batch ${stepSize}, ${precision}, against ${cached ? 'its cached loss' : 'MultipleNegativesRankingLoss'}`,
          {
            ours: rate(mine.median, 'triplets/s'),
            peer: rate(its.median, 'triplets/s'),
            ratio,
            peak: `${megabytes(peak(ours))} of ${megabytes(peak(theirs))}`,
          },
          cached
            ? [
                ['≥ 4 ×', ratio >= 4],
                ['half of the memory', memory <= 0.5],
              ]
            : [[`≥ ${minimum[precision]} ×`, ratio >= minimum[precision]]],
        ),
      );
    }
  }
  const [many] = await inTurn(
    [
      () =>
        runWork('vectune', {
          kind: 'finetune',
          model: c.model,
          precision: c.precisions.at(-1),
          batchSize: 64,
          stepSize: short.length,
          threads: c.threads,
          maxInputLength: 16,
          triplets: short,
        }),
    ],
    1,
  );
  const resident = many[0].peakBytes;
  c.figures.push({ work: 'ranking', stepSize: short.length, resident, seconds: many[0].seconds });
  rows.push(
    row(
      `ranking, batch ${short.length} of short texts`,
      { ours: rate(short.length / many[0].seconds, 'triplets/s'), peak: megabytes(resident) },
      [['peak < 1.5 GB', resident < 1.5e9]],
    ),
  );
  return rows;
}
