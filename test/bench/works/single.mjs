import { inTurn, runWork, spread } from '../measure.mjs';
import { row } from './row.mjs';

export async function single(c) {
  const request = {
    kind: 'single',
    model: c.model,
    threads: c.threads,
    texts: c.embedding.texts.slice(0, 300),
    batchSize: 1,
  };
  const goals = { fp32: 4, bf16: 2.8, int8: 1.8 };
  const precisions = c.embeddingPrecisions;
  const results = await inTurn(
    [
      ...precisions.map((precision) => () => runWork('vectune', { ...request, precision })),
      () => runWork('sentenceTransformers', { ...request, precision: 'fp32' }, { python: c.python }),
      () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'fp32' }),
      () => runWork('transformersJs', { ...request, ...c.onnx, dtype: 'q8' }),
    ],
    c.runs,
  );
  const medians = results.map((list) => spread(list, ({ medianMs }) => medianMs).median);
  const tails = results.map((list) => spread(list, ({ p95Ms }) => p95Ms).median);
  c.figures.push({ work: 'single', order: [...precisions, 'st fp32', 'tjs fp32', 'tjs q8'], medians, tails });
  const rows = precisions.map((precision, i) => {
    const peer = precisions.length + (precision === 'int8' ? 2 : 1);
    return row(
      `one text, ${precision}`,
      {
        ours: `${medians[i].toFixed(2)} ms, p95 ${tails[i].toFixed(2)}`,
        peer: `${medians[peer].toFixed(2)} ms transformers.js, ${medians[precisions.length].toFixed(1)} sentence-transformers`,
        ratio: medians[peer] / medians[i],
      },
      [[`median and p95 ≤ ${goals[precision]} ms`, medians[i] <= goals[precision] && tails[i] <= goals[precision]]],
    );
  });
  const [callers] = await inTurn(
    [
      () =>
        runWork('vectune', {
          ...request,
          kind: 'callers',
          precision: 'fp32',
          texts: c.embedding.texts.slice(0, 800),
        }),
    ],
    c.runs,
  );
  const ratio = spread(callers, ({ together, apart }) => together.medianMs / apart.medianMs).median;
  rows.push(
    row(
      '8 callers at once, of one call with 8 texts',
      {
        ours: `${spread(callers, ({ apart }) => apart.medianMs).median.toFixed(2)} ms`,
        peer: `${spread(callers, ({ together }) => together.medianMs).median.toFixed(2)} ms one call`,
        ratio,
      },
      [['≥ 0.85 ×', ratio >= 0.85]],
    ),
  );
  return rows;
}
