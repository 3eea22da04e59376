import { trainingRow } from './training-row.mjs';

export async function distiluse(c) {
  const rows = [];
  const minimum = { fp32: 3.3, bf16: 4.3 };
  for (const precision of c.precisions) {
    const ratio = minimum[precision];
    const [found] = await trainingRow(c, {
      shape: 'distiluse',
      model: await c.distiluse(),
      batchSize: 16,
      precision,
      goals: (f) => [
        [`≥ ${ratio} ×`, f.ratio >= ratio],
        ['peak ≤ 2 GB', f.resident <= 2e9],
      ],
    });
    rows.push(found);
  }
  return rows;
}
