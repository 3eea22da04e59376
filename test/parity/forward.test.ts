import { packTexts, PLACED, useCase } from './cases';
import { largestDifference } from './measure';
import { readTensors } from './safetensors';

/**
 * Forward passes against transformers and sentence-transformers (generate.py; float64, rounded to float32).
 *
 * Tolerance 1e-5 on every element: hidden states are of size 1 to 5, where one rounding of fp32 is 1e-7 to 2e-7; two
 * layers of sums over 16 to 128 products stay below some tens of them.
 */
const VECTOR_TOLERANCE = 1e-5;

/**
 * A text's numbers depend on the batch only through the order in which a matrix product adds up (2e-6 was seen); a
 * text that saw another's tokens would be off by tenths.
 */
const ALONE_TOLERANCE = 5e-6;

describe.each(PLACED)('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);

  it('gives the same token ids', async () => {
    const { opened, facts } = parityCase();
    expect(opened.maxInputLength).toBe(18);
    const { ids, offsets } = await opened.tokeniser.encode(facts.texts, opened.maxInputLength);
    const texts = facts.texts.map((_, i) => [...ids.subarray(offsets[i], offsets[i + 1])]);
    expect(texts).toEqual(facts.ids);
    // The fixture has what could go wrong: an empty text, single words, texts that are cut off.
    const lengths = texts.map((text) => text.length);
    expect(Math.min(...lengths)).toBe(opened.tokeniser.specialTokens);
    expect(lengths.filter((length) => length === 18).length).toBeGreaterThan(3);
  });

  it('gives the same hidden states, pooled vectors and embeddings', async () => {
    const { addon, model, facts, expected, opened, path } = bound(parityCase());
    const { ids, offsets } = packTexts(facts.traced.map((text) => facts.ids[text]!));
    await addon.traceForward(model, ids, offsets, path('trace.safetensors'), 'fp32', device);
    const traced = readTensors(path('trace.safetensors'));
    const states = Array.from({ length: opened.spec.encoder.layers + 1 }, (_, i) => `hidden.${i}`);
    const names = ['embedding', ...states, 'pooled'];
    expect([...traced.keys()].sort()).toEqual(names);
    for (const tensor of names) {
      const difference = largestDifference(traced.get(tensor)!, expected.get(tensor)!);
      expect({ tensor, difference, ok: difference <= VECTOR_TOLERANCE }).toMatchObject({ ok: true });
    }
  });

  it('gives a text the same embedding alone, in a batch, and by embed as by the trace', async () => {
    const { addon, model, facts, expected } = parityCase();
    const { ids, offsets } = packTexts(facts.ids);
    const together = await addon.embed(model, ids, offsets, 'fp32', device);
    const width = together.length / facts.ids.length;
    const row = (vectors: Float32Array, i: number) => ({
      shape: [width],
      data: vectors.slice(i * width, (i + 1) * width),
    });
    for (const [i, text] of facts.ids.entries()) {
      const alone = await addon.embed(model, Int32Array.from(text), Int32Array.of(0, text.length), 'fp32', device);
      expect(largestDifference(row(alone, 0), row(together, i))).toBeLessThanOrEqual(ALONE_TOLERANCE);
    }
    const reference = expected.get('embedding')!;
    expect(reference.shape).toEqual([facts.traced.length, width]);
    facts.traced.forEach((text, i) => {
      const difference = largestDifference(row(together, text), row(reference.data, i));
      expect(difference).toBeLessThanOrEqual(VECTOR_TOLERANCE);
    });
  });
});

/** The case with its method ready to be taken apart. */
function bound(parity: ReturnType<ReturnType<typeof useCase>>) {
  const { addon, model, facts, expected, opened } = parity;
  return { addon, model, facts, expected, opened, path: (file: string) => parity.path(file) };
}
