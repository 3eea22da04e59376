import type { StepResult, TrainerOptions } from '../../lib/engine/training';
import { DEVICES, range, useCase, type ParityCase } from './cases';
import { readTensors } from './safetensors';

/**
 * The same seed, machine and thread count give the same bits. No tolerance: sums are taken in an order that does not
 * depend on which thread is first. On CPU tensors what is made for GPUs keeps to that too, though GPUs' own sums do not:
 * dropout's masks are a function of seed, epoch and step, and nothing is left over from what was computed before.
 */

interface Run {
  steps: StepResult[];
  weights: string;
}

/** Three epochs in batches of 5 (the last smaller), in micro-batches of 3, the model's own dropout on. */
function train(parity: ParityCase, options: Partial<TrainerOptions> = {}): Promise<Run> {
  const { addon, pairs } = parity;
  return parity.train({ dropout: null, weightDecay: 0.1, ...options }, async (trainer, model) => {
    const steps: StepResult[] = [];
    for (let epoch = 0; epoch < 3; ++epoch) {
      for (let start = 0; start < pairs; start += 5) {
        const rows = range(pairs).subarray(start, start + 5);
        steps.push(await addon.step(trainer, { rows, microBatch: 3, learningRate: 1e-3, epoch }));
      }
    }
    await addon.commit(trainer);
    const weights = await parity.weights(model);
    return { steps, weights: bits(weights) };
  });
}

/** All tensors' bytes as one text, so that a difference is found whatever it is (−0 and NaN too). */
function bits(tensors: ReadonlyMap<string, { data: Float32Array }>): string {
  return [...tensors]
    .map(
      ([name, { data }]) => `${name} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}`,
    )
    .join('\n');
}

const PLACED = (['bert-mean', 'distilbert-dense', 'roberta-dense'] as const).flatMap((name) =>
  DEVICES.map((device) => [name, device] as const),
);

describe.each(PLACED)('%s on %s', (name, device) => {
  const parityCase = useCase(name, device);

  it('trains twice to the same bits', async () => {
    const parity = parityCase();
    const first = await train(parity);
    const second = await train(parity);
    expect(second.steps).toEqual(first.steps);
    expect(second.weights === first.weights).toBe(true);
  });

  it('trains to other weights from another seed, which dropout has', async () => {
    const parity = parityCase();
    const first = await train(parity);
    const other = await train(parity, { seed: 2 });
    expect(other.steps[0]!.loss).not.toBe(first.steps[0]!.loss);
    expect(other.weights === first.weights).toBe(false);
    const without = [await train(parity, { dropout: 0 }), await train(parity, { dropout: 0, seed: 2 })];
    expect(without[1]!.weights === without[0]!.weights).toBe(true);
  });

  it('gives the same bits of gradients, whatever was computed before', async () => {
    const parity = parityCase();
    const traced: string[] = [];
    for (const before of [0, 1]) {
      const path = parity.path(`gradients-${before}.safetensors`);
      await parity.train({}, async (trainer) => {
        for (let i = 0; i < before; ++i) await parity.addon.evaluate(trainer, range(parity.pairs), 4, 4);
        for (let i = 0; i < before; ++i) await parity.addon.probe(trainer, range(4));
        await parity.addon.traceGradients(trainer, range(parity.pairs), parity.pairs, path);
      });
      traced.push(bits(readTensors(path)));
    }
    expect(traced[1] === traced[0]).toBe(true);
  });
});
