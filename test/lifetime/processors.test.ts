import { runProgram } from './run-program';

/** A processor without AVX-512, or without AVX, loads, embeds and trains: seen on this one by what limits its libraries. */

interface Outcome {
  simd: string;
  gemm: string;
  bf16: boolean;
  precision: string;
  loss: number;
  vector: number[];
}

async function outcome(environment: NodeJS.ProcessEnv): Promise<Outcome> {
  const ended = await runProgram('processors.cjs', [], [], environment);
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  return JSON.parse(ended.stdout) as Outcome;
}

const lesser = {
  avx2: { ATEN_CPU_CAPABILITY: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2', MKL_ENABLE_INSTRUCTIONS: 'AVX2' },
  plain: { ATEN_CPU_CAPABILITY: 'default', ONEDNN_MAX_CPU_ISA: 'SSE41', MKL_ENABLE_INSTRUCTIONS: 'SSE4_2' },
};

let whole: Outcome;
beforeAll(async () => {
  whole = await outcome({});
});

test.each(Object.entries(lesser))('%s', async (simd, environment) => {
  const found = await outcome(environment);
  if (whole.simd.startsWith('avx512') || whole.simd === 'avx2') expect(found.simd).toBe(simd);
  expect(found).toMatchObject({ bf16: false, precision: 'fp32' });
  // fp32 sums in another order: 1e-5 of a vector of length 1.
  found.vector.forEach((x, i) => expect(Math.abs(x - whole.vector[i]!)).toBeLessThan(1e-5));
  // The whole processor may have trained in bf16.
  expect(Math.abs(found.loss - whole.loss)).toBeLessThan(whole.precision === 'fp32' ? 1e-5 : 5e-3);
});
