import { statSync } from 'node:fs';
import type { TrainerHandle } from '../../lib/engine/addon';
import type { TrainerOptions } from '../../lib/engine/training';
import { DEVICES, PLAIN, range, useCase, type ParityCase } from './cases';
import type { Tensor } from './safetensors';

/**
 * What is between the weights that training began with and those it made. Training itself must know nothing of it: whoever
 * looks at a blend between two steps goes on to the same bits.
 */

const KEEPING: Partial<TrainerOptions> = { keepBase: true, dropout: null, weightDecay: 0.1 };

async function steps(parity: ParityCase, trainer: TrainerHandle, from: number, to: number): Promise<void> {
  for (let step = from; step < to; ++step)
    await parity.addon.step(trainer, { rows: range(4), microBatch: 2, learningRate: 1e-2, epoch: step });
}

function bits(tensors: ReadonlyMap<string, Tensor>): string {
  return [...tensors]
    .map(
      ([name, { data }]) => `${name} ${Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64')}`,
    )
    .join('\n');
}

describe.each(DEVICES)('on %s', (device) => {
  const parityCase = useCase('bert-dense', device);

  /** Weights after four steps and a commit of a share. */
  const committed = (share: number) => {
    const parity = parityCase();
    return parity.train(KEEPING, async (trainer, model) => {
      await steps(parity, trainer, 0, 4);
      await parity.addon.blend(trainer, share);
      await parity.addon.commit(trainer);
      return parity.weights(model);
    });
  };

  it('commits (1 - share) · base + share · trained of every parameter, rows of no text too', async () => {
    const parity = parityCase();
    const base = await parity.train(KEEPING, (_, model) => parity.weights(model));
    const [whole, half] = [await committed(1), await committed(0.5)];
    let most = 0;
    let moved = 0;
    for (const [name, { data }] of half)
      data.forEach((value, i) => {
        const [b, w] = [base.get(name)!.data[i]!, whole.get(name)!.data[i]!];
        most = Math.max(most, Math.abs(value - (b + 0.5 * (w - b))));
        moved = Math.max(moved, Math.abs(w - b));
      });
    expect(moved).toBeGreaterThan(1e-3);
    expect(most).toBeLessThan(1e-7);
  });

  it('is the base at 0 and the trained weights at 1, to the bit', async () => {
    const parity = parityCase();
    const base = await parity.train(KEEPING, (_, model) => parity.weights(model));
    const plain = await parity.train({ ...KEEPING, keepBase: false }, async (trainer, model) => {
      await steps(parity, trainer, 0, 4);
      await parity.addon.commit(trainer);
      return parity.weights(model);
    });
    const [none, all] = [await committed(0), await committed(1)];
    // Rows that no text uses went with the decay and came back: they may differ in the last bit.
    const used = (tensors: ReadonlyMap<string, Tensor>) =>
      new Map([...tensors].filter(([name]) => !/word_emb/.test(name)));
    expect(bits(used(none)) === bits(used(base))).toBe(true);
    expect(bits(all) === bits(plain)).toBe(true);
  });

  it('leaves training as it was, to the bit', async () => {
    const parity = parityCase();
    const train = (between: (trainer: TrainerHandle) => Promise<void>) =>
      parity.train(KEEPING, async (trainer, model) => {
        await steps(parity, trainer, 0, 2);
        await between(trainer);
        await steps(parity, trainer, 2, 4);
        await parity.addon.commit(trainer);
        return bits(await parity.weights(model));
      });
    const untouched = await train(() => Promise.resolve());
    const looked = await train(async (trainer) => {
      for (const share of [0.3, 0, 0.8]) {
        await parity.addon.blend(trainer, share);
        await parity.addon.evaluate(trainer, range(parity.pairs), 4, 4);
        await parity.addon.embedTexts(trainer, range(3), 2);
      }
      await parity.addon.blend(trainer, 1);
    });
    expect(looked === untouched).toBe(true);
  });

  it('gives the vectors of the weights at work', async () => {
    const parity = parityCase();
    const { addon, facts } = parity;
    const ids = Int32Array.from(facts.ids.flat());
    const offsets = new Int32Array(facts.ids.length + 1);
    facts.ids.forEach((text, i) => {
      offsets[i + 1] = offsets[i]! + text.length;
    });
    await parity.train(KEEPING, async (trainer, model) => {
      await steps(parity, trainer, 0, 3);
      await addon.blend(trainer, 0.6);
      const found = await addon.embedTexts(trainer, range(facts.ids.length), 3);
      await addon.commit(trainer);
      const wanted = await addon.embed(model, ids, offsets, 'fp32', device);
      expect(found.length).toBe(wanted.length);
      const most = found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - wanted[i]!)), 0);
      expect(most).toBeLessThan(1e-5);
    });
  });

  it('goes on from a file after a blend was committed: model, base and steps', async () => {
    const parity = parityCase();
    const { addon } = parity;
    const file = parity.path('blended.safetensors');
    const goOn = async (trainer: TrainerHandle) => {
      await steps(parity, trainer, 3, 4);
      await addon.blend(trainer, 0.25);
      await addon.commit(trainer);
    };
    const straight = await parity.train(KEEPING, async (trainer, model) => {
      await steps(parity, trainer, 0, 3);
      await addon.blend(trainer, 0.5);
      await addon.commit(trainer);
      // While the blend is at work, as when a run is stopped in a validation.
      await addon.writeState(trainer, file);
      await addon.blend(trainer, 1);
      const then = await addon.fingerprint(model);
      await goOn(trainer);
      return { then, end: bits(await parity.weights(model)) };
    });
    expect(statSync(file).size).toBeGreaterThan(0);
    const resumed = await parity.train(KEEPING, async (trainer, model) => {
      await addon.restoreState(trainer, file, true);
      const then = await addon.fingerprint(model);
      await goOn(trainer);
      return { then, end: bits(await parity.weights(model)) };
    });
    expect(resumed.then).toBe(straight.then);
    expect(resumed.end === straight.end).toBe(true);
  });

  it('refuses a step while a blend is at work, shares that are none, and trainers that keep no base', async () => {
    const parity = parityCase();
    const { addon } = parity;
    await parity.train(KEEPING, async (trainer) => {
      await steps(parity, trainer, 0, 1);
      await addon.blend(trainer, 0.5);
      await expect(steps(parity, trainer, 1, 2)).rejects.toThrow(/blend\(1\) first/);
      await addon.blend(trainer, 1);
      await steps(parity, trainer, 1, 2);
      await expect(addon.blend(trainer, 1.5)).rejects.toThrow(/from 0 to 1/);
      await expect(addon.embedTexts(trainer, Int32Array.of(1e6), 1)).rejects.toThrow(/is not a text/);
    });
    await parity.train({ ...PLAIN }, (trainer) => expect(addon.blend(trainer, 0.5)).rejects.toThrow(/keepBase/));
  });
});
