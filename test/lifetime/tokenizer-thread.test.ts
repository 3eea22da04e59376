import { inProgram, runProgram } from './run-program';

/** A tokenizer of a large vocabulary is made and run in a thread of its own, and the event loop goes on. */

const found: Record<string, unknown> = {
  same: { threads: 1, made: 0, cut: [2], left: expect.any(Array), size: 60_005 },
  closed: { ids: expect.any(Number), end: 'ended', after: 'ERR_DISPOSED: The tokenizer was closed.' },
  faulty: { threads: 1, end: 'ended', told: expect.stringMatching(/^ERR_TOKENIZER: .model.tokenizer\.json/) },
  lost: {
    waits: expect.stringMatching(/^ERR_TOKENIZER: .*cannot tokenise a text: the tokenizer's thread has ended/),
    later: expect.stringMatching(/^ERR_TOKENIZER: .*the tokenizer's thread has ended/),
  },
  unreachable: { end: 'ended' },
  forbidden: { threads: 0, made: 1, ids: expect.any(Number) },
};

test.each(inProgram('tokenizer-thread.cjs', /^ {2}async (\w+)\(/gm))('%s', async (what) => {
  const { code, signal, stdout, stderr } = await runProgram('tokenizer-thread.cjs', [what], ['--expose-gc']);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toEqual(found[what]);
});
