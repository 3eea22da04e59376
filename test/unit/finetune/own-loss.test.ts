import type { StepVectors } from '../../../lib/engine/training';
import { OwnLossCaller, type LossBatch, type OwnLoss } from '../../../lib/finetune/own-loss';

const columns = 2;
const rows = 3;
const dimensions = 5;
const indices = Int32Array.of(7, 2, 11);

/** Vectors drawn by a formula. */
function found(): StepVectors {
  const vectors = Float32Array.from({ length: columns * rows * dimensions }, (_, i) => Math.sin(1.7 * i + 0.3));
  return { vectors, columns, rows, dimensions, labels: Float32Array.of(0.1, 0.9, 0.4) };
}

const never = new AbortController().signal;
const train = (loss: OwnLoss, signal = never) => new OwnLossCaller(loss, signal).train(found(), indices);

/** Mean squared error of dot products, and its gradient. */
function dots(vectors: Float32Array, batch: LossBatch, gradient: Float32Array = new Float32Array(vectors.length)) {
  const at = (c: number, r: number) => (c * batch.rows + r) * batch.dimensions;
  const u = vectors.slice();
  let loss = 0;
  for (let r = 0; r < batch.rows; ++r) {
    let dot = 0;
    for (let d = 0; d < batch.dimensions; ++d) dot += u[at(0, r) + d]! * u[at(1, r) + d]!;
    const off = dot - batch.labels[r]!;
    loss += (off * off) / batch.rows;
    for (let d = 0; d < batch.dimensions; ++d) {
      gradient[at(0, r) + d] = ((2 * off) / batch.rows) * u[at(1, r) + d]!;
      gradient[at(1, r) + d] = ((2 * off) / batch.rows) * u[at(0, r) + d]!;
    }
  }
  return { loss, gradient };
}

describe('a loss of the caller', () => {
  it('is given vectors, shape, labels and numbers of the rows', async () => {
    let seen: LossBatch | undefined;
    const { loss, gradient } = await train({
      compute(vectors, batch) {
        seen = batch;
        return dots(vectors, batch);
      },
    });
    expect(seen).toEqual({
      columns,
      rows,
      dimensions,
      labels: Float32Array.of(0.1, 0.9, 0.4),
      labelWidth: 1,
      indices,
      purpose: 'training',
    });
    const expected = dots(found().vectors, seen!);
    expect(loss).toBe(expected.loss);
    expect(gradient).toEqual(expected.gradient);
  });

  it('may be asynchronous, and may write its gradient over the vectors', async () => {
    const expected = await train({ compute: dots });
    const over = await train({ compute: async (vectors, batch) => dots(vectors, batch, vectors), checkGradient: true });
    expect(over).toEqual(expected);
  });

  it('needs no gradient in validation', async () => {
    const caller = new OwnLossCaller({ compute: (_, { purpose }) => ({ loss: purpose.length }) }, never);
    expect(await caller.validate(found(), indices)).toBe('validation'.length);
  });

  it.each([
    [
      'throws',
      () => Promise.reject(new TypeError('no such label')),
      /The loss mine threw in training: no such label\./,
    ],
    ['gives nothing', () => undefined, /gave undefined\. compute must give \{ loss, gradient \}/],
    ['gives no number', () => ({ loss: NaN, gradient: new Float32Array(30) }), /gave NaN as the loss/],
    [
      'gives a list',
      () => ({ loss: 1, gradient: new Array<number>(30).fill(0) }),
      /a Float32Array of 2 × 3 × 5 = 30 numb/,
    ],
    [
      'gives too few',
      () => ({ loss: 1, gradient: new Float32Array(15) }),
      /of 15 numbers, where 2 × 3 × 5 = 30 numbers/,
    ],
    ['forgets it', () => ({ loss: 1 }), /gave undefined as the gradient/],
    [
      'gives a gradient that is not finite',
      () => ({ loss: 1, gradient: new Float32Array(30).fill(Infinity, 22, 23) }),
      /gave a gradient with Infinity at \[22\] \(text 1 of row 1 of the batch, number 2\)/,
    ],
  ])('that %s is refused', async (_, compute, message) => {
    await expect(train({ name: 'mine', compute: compute as OwnLoss['compute'] })).rejects.toMatchObject({
      name: 'LossError',
      code: 'ERR_LOSS',
      message: expect.stringMatching(message) as string,
    });
  });

  it('is known by what it threw', async () => {
    const cause = new RangeError('mine');
    const error = await train({
      compute() {
        throw cause;
      },
    }).catch((e: unknown) => e);
    expect((error as Error).cause).toBe(cause);
  });

  it('that never answers does not keep a run from stopping', async () => {
    const stop = new AbortController();
    const waiting = train({ compute: () => new Promise(() => undefined) }, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('checkGradient', () => {
  const check = (compute: OwnLoss['compute']) => train({ compute, checkGradient: true });

  it('accepts the right gradient, of losses with kinks too', async () => {
    await check(dots);
    await check((vectors) => ({
      loss: vectors.reduce((sum, x) => sum + Math.abs(x), 0) / vectors.length,
      gradient: vectors.map((x) => Math.sign(x) / vectors.length),
    }));
    await check((vectors) => ({ loss: 3, gradient: new Float32Array(vectors.length) }));
  });

  it.each([4, 13, 29])('names the number whose gradient is another (%i)', async (at) => {
    const error = await check((vectors, batch) => {
      const right = dots(vectors, batch);
      right.gradient[at]! *= -1;
      return right;
    }).catch((e: unknown) => e);
    const vector = Math.floor(at / dimensions);
    expect(error).toMatchObject({ code: 'ERR_LOSS_GRADIENT', row: indices[vector % rows] });
    const place = `[${at}] (text ${Math.floor(vector / rows)} of row ${vector % rows} of the batch, number ${at % dimensions})`;
    expect((error as Error).message).toContain(`as the gradient at ${place}, but by finite differences it is`);
  });

  it('refuses a gradient of the right direction and another length', async () => {
    const twice = check((vectors, batch) => {
      const right = dots(vectors, batch);
      return { loss: right.loss, gradient: right.gradient.map((g) => 1.1 * g) };
    });
    await expect(twice).rejects.toMatchObject({ code: 'ERR_LOSS_GRADIENT' });
  });

  it('refuses a gradient of 0 where the loss has one', async () => {
    const nothing = check((vectors, batch) => ({
      loss: dots(vectors, batch).loss,
      gradient: new Float32Array(vectors.length),
    }));
    await expect(nothing).rejects.toMatchObject({ code: 'ERR_LOSS_GRADIENT' });
  });

  it('refuses a loss that changes from call to call', async () => {
    let calls = 0;
    const drawn = check((vectors, batch) => {
      const right = dots(vectors, batch);
      return { ...right, loss: right.loss + 1e-3 * ++calls };
    });
    await expect(drawn).rejects.toThrow(/must give the same for the same vectors/);
  });

  it('looks at the first step alone', async () => {
    let calls = 0;
    const caller = new OwnLossCaller(
      {
        compute(vectors, batch) {
          ++calls;
          return dots(vectors, batch);
        },
        checkGradient: true,
      },
      never,
    );
    await caller.train(found(), indices);
    const first = calls;
    expect(first).toBeGreaterThan(2 * columns * rows);
    await caller.train(found(), indices);
    expect(calls).toBe(first + 1);
  });
});
