import { trainingRow } from './training-row.mjs';

export async function training(c) {
  const rows = [];
  const minimum = { fp32: [3, 0.8, 1.4e9], bf16: [4, 0.7, 1.1e9] };
  for (const precision of c.precisions) {
    const [ratio, share, resident] = minimum[precision];
    let at32 = 0;
    for (const batchSize of [16, 32, 128]) {
      const [found, facts] = await trainingRow(c, {
        shape: 'minilm',
        model: c.model,
        batchSize,
        precision,
        goals: (f) =>
          batchSize < 128
            ? [
                [`≥ ${ratio} ×`, f.ratio >= ratio],
                [`≥ ${100 * share} % of the bound`, f.share >= share],
              ]
            : [
                ['≥ batch 32', f.tokensPerSecond >= at32],
                [`peak ≤ ${resident / 1e9} GB`, f.resident <= resident],
              ],
      });
      if (batchSize === 32) at32 = facts.tokensPerSecond;
      rows.push(found);
    }
  }
  return rows;
}
