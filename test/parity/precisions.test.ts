import { CASES, packTexts, useCase, type CaseName } from './cases';
import { norm } from './measure';

/**
 * Vectors in bf16 and int8 beside those in fp32, of every encoder: a rounding of 2⁻⁹ in each product leaves a cosine of
 * some thousandths below 1 in these two layers of wide random weights; a wrong buffer leaves none.
 */
const LEAST: Record<'bf16' | 'int8', number> = { bf16: 0.998, int8: 0.98 };

describe.each<CaseName>([...CASES])('%s', (name) => {
  const parityCase = useCase(name);

  it.each(['bf16', 'int8'] as const)('is embedded in %s near fp32', async (precision) => {
    const { addon, model, facts } = parityCase();
    if (precision === 'int8' && !addon.info().int8) {
      console.info('not compared: this processor does not multiply int8 exactly');
      return;
    }
    const { ids, offsets } = packTexts(facts.ids);
    const [exact, found] = [
      await addon.embed(model, ids, offsets, 'fp32'),
      await addon.embed(model, ids, offsets, precision),
    ];
    const width = exact.length / facts.ids.length;
    expect([...found]).not.toEqual([...exact]);
    for (let i = 0; i < facts.ids.length; ++i) {
      const [a, b] = [exact, found].map((all) => all.subarray(i * width, (i + 1) * width)) as [
        Float32Array,
        Float32Array,
      ];
      const cosine = a.reduce((sum, value, k) => sum + value * b[k]!, 0) / (norm(a) * norm(b));
      expect({ text: i, cosine, ok: cosine >= LEAST[precision] }).toMatchObject({ ok: true });
    }
  });
});
