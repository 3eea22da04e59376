import { inTurn, runWork, spread } from '../measure.mjs';
import { megabytes, row } from './row.mjs';

export async function start(c) {
  const request = {
    kind: 'start',
    model: c.model,
    threads: c.threads,
    precision: 'fp32',
    texts: ['How old are you?'],
    batchSize: 1,
  };
  const results = await inTurn(
    [
      () => runWork('vectune', request),
      () => runWork('sentenceTransformers', request, { python: c.python }),
      () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'fp32' }),
    ],
    c.runs + 1,
  );
  const seconds = results.map((list) => spread(list.slice(1), ({ processSeconds }) => processSeconds).median); // cache filled
  const resident = spread(results[0].slice(1), ({ residentBytes }) => residentBytes).median;
  c.figures.push({ work: 'start', order: ['vectune', 'st', 'tjs'], seconds, resident });
  return [
    row(
      'process start to first vector',
      {
        ours: `${seconds[0].toFixed(2)} s`,
        peer: `${seconds[1].toFixed(1)} s sentence-transformers, ${seconds[2].toFixed(2)} s transformers.js`,
        ratio: seconds[2] / seconds[0],
        peak: megabytes(resident),
      },
      [
        ['≤ 0.6 s', seconds[0] <= 0.6],
        ['resident ≤ 350 MB', resident <= 350e6],
      ],
    ),
  ];
}
