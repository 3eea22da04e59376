import { inProgram, runProgram, type Ended } from './run-program';

/**
 * However a process ends, and whatever the engine is at, it ends as it was told to, with its exit code and its output:
 * no crash, no hang. 'ready' is told from inside a step; where the step is not told to have ended, it was cut off.
 */

const quiet = (code: number, stdout = 'ready\n'): Ended => ({ code, signal: null, stdout, stderr: '' });
const fails = (message: string): Ended => ({
  code: 1,
  signal: null,
  stdout: 'ready\n',
  stderr: expect.stringMatching(
    new RegExp(`^\\S+exit\\.cjs:\\d+\\n[^]*\\nError: ${message}\\n(    at .*\\n)+\\nNode\\.js v\\S+\\n$`),
  ) as string,
});

const endings: Record<string, Ended> = {
  'at once': quiet(0, ''),
  disposed: quiet(0),
  'not disposed': quiet(0),
  exit: quiet(7),
  'exit in a step': quiet(7),
  'exit with a queue in a step': quiet(7),
  'exception in a step': fails('uncaught on purpose'),
  'rejection in a step': fails('unhandled on purpose'),
  'kill in a step': { code: null, signal: 'SIGTERM', stdout: 'ready\n', stderr: '' },
  'listener of the signal in a step': quiet(15),
  'calls on exit in a step': quiet(7),
  'calls on exit beside a worker': quiet(7, 'ready\nstep rejected ERR_ABORTED\nchecksum rejected ERR_ABORTED\n'),
  'native exit in a step': quiet(7),
  'nobody waits in a step': quiet(0, 'ready\nstep ended\n'),
};

/** The same in the middle of a run of `finetune`, to which the event loop belongs as much as the engine. */
const inRun: Record<string, Ended> = {
  'exit in a run': quiet(7),
  'exception in a run': fails('uncaught on purpose'),
  'rejection in a run': fails('unhandled on purpose'),
  'kill in a run': { code: null, signal: 'SIGTERM', stdout: 'ready\n', stderr: '' },
  'listener of the signal in a run': quiet(15),
  'native exit in a run': quiet(7),
  'nobody waits in a run': quiet(0, 'ready\nrun of 3 epochs ended\n'),
};

test('the table has every ending of the program', () => {
  expect(Object.keys(endings).sort()).toEqual(
    inProgram('exit.cjs', /(?:case |ending === )'([^']+)'/g).filter((name, i, all) => name !== all[i - 1]),
  );
});

test.each(Object.entries({ ...endings, ...inRun }))('%s', async (ending, expected) => {
  expect(await runProgram('exit.cjs', [ending])).toEqual(expected);
});
