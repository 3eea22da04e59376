import { trainingRow } from './training-row.mjs';

export async function avx2(c) {
  const environment = { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', MKL_ENABLE_INSTRUCTIONS: 'AVX2' };
  const peak = await c.measurePeak(environment);
  const [found] = await trainingRow(c, {
    shape: 'minilm',
    model: c.model,
    batchSize: 16,
    precision: 'fp32',
    environment,
    peak,
    runs: Math.min(3, c.runs),
    goals: (f) => [['≥ 2 ×', f.ratio >= 2]],
  });
  return [{ ...found, what: `${found.what} (peak ${peak.fp32} GFLOP/s, kernels ${peak.simd})` }];
}
