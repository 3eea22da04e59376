import { PLACED, STATIC_PLACED, range, useCase, type ParityCase } from './cases';
import { distance, norm, withPrefix } from './measure';
import { readTensors, type Tensor } from './safetensors';

/**
 * Loss and gradients against torch's autograd over transformers' models (generate.py; float64, rounded).
 *
 * LOSS: a mean of squared differences of cosines; each cosine is right to about 1e-7.
 * GRADIENT: ‖g − r‖ ≤ 1e-4 ‖r‖ + 1e-7 ‖all gradients‖. Rounding leaves about 1e-6 ‖r‖; a wrong term (a missing
 * derivative of an activation, a norm's mean not taken off) is off by 1e-2 and more. The second part is for the
 * key biases: softmax does not change when all its inputs move together, so their true gradient is zero, and what
 * the engine has there is rounding, measured against everything else.
 */
const LOSS_TOLERANCE = 1e-6;
const GRADIENT_TOLERANCE = { relative: 1e-4, ofAll: 1e-7 };

/**
 * Gradients of micro-batches add up in another order, and each product has fewer rows: some roundings. What is not
 * rounding, such as a mean over the micro-batch instead of the batch, is wrong by a factor.
 */
const ACCUMULATION_TOLERANCE = { relative: 2e-5, ofAll: 1e-7 };

type Gradients = ReadonlyMap<string, Tensor>;

function mismatches(found: Gradients, expected: Gradients, tolerance: { relative: number; ofAll: number }) {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
  const all = Math.hypot(...[...expected.values()].map(({ data }) => norm(data)));
  return [...expected].flatMap(([name, reference]) => {
    const off = distance(found.get(name)!, reference);
    const allowed = tolerance.relative * norm(reference.data) + tolerance.ofAll * all;
    return off <= allowed ? [] : [{ name, off, allowed, reference: norm(reference.data) }];
  });
}

function traceGradients(parity: ParityCase, microBatch: number) {
  return parity.train({}, async (trainer) => {
    const path = parity.path(`gradients-${microBatch}.safetensors`);
    const loss = await parity.addon.traceGradients(trainer, range(parity.pairs), microBatch, path);
    return { loss, gradients: readTensors(path) };
  });
}

describe.each([...PLACED, ...STATIC_PLACED])('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);

  it('has the loss and every gradient of the reference', async () => {
    const parity = parityCase();
    const { loss, gradients } = await traceGradients(parity, parity.pairs);
    expect(Math.abs(loss - parity.facts.loss)).toBeLessThanOrEqual(LOSS_TOLERANCE);
    const expected = withPrefix(parity.expected, 'gradient/');
    expect([...expected.keys()].sort()).toEqual(
      parity.addon
        .parameters(parity.model)
        .map((p) => p.name)
        .sort(),
    );
    expect(mismatches(gradients, expected, GRADIENT_TOLERANCE)).toEqual([]);
  });

  it('has the same gradients by micro-batches', async () => {
    const parity = parityCase();
    const whole = await traceGradients(parity, parity.pairs);
    for (const microBatch of [1, 5]) {
      // 12 pairs: 5 leaves a smaller last part
      const parts = await traceGradients(parity, microBatch);
      expect(Math.abs(parts.loss - whole.loss)).toBeLessThanOrEqual(LOSS_TOLERANCE);
      expect(mismatches(parts.gradients, whole.gradients, ACCUMULATION_TOLERANCE)).toEqual([]);
    }
  });
});

describe('the comparison itself', () => {
  const parityCase = useCase('bert-dense');

  it('sees a gradient that is off by a thousandth', async () => {
    const parity = parityCase();
    const { gradients } = await traceGradients(parity, parity.pairs);
    const name = 'encoder.layer.0.attention.self.query.bias'; // the smallest
    const { shape, data } = gradients.get(name)!;
    const wrong = new Map(gradients).set(name, { shape, data: data.map((value) => value * 1.001) });
    const expected = withPrefix(parity.expected, 'gradient/');
    expect(mismatches(wrong, expected, GRADIENT_TOLERANCE).map((mismatch) => mismatch.name)).toEqual([name]);
  });
});
