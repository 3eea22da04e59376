import { inProgram, PATIENCE_MS, runProgram } from './run-program';

/** Workers come and go, in the middle of whatever the engine does for them; the program checks what is left. */

const scenarios: Record<string, { rounds: number; stdout?: string; environment?: NodeJS.ProcessEnv }> = {
  'in turn': { rounds: 50 },
  'the last one takes the threads along': { rounds: 1, environment: { OMP_NUM_THREADS: '1' } },
  'terminate in a step': { rounds: 6 },
  'terminate in a step beside main': { rounds: 6 },
  'terminate with a queue': { rounds: 10 },
  'terminate while creating': { rounds: 10 },
  'exit of a worker': { rounds: 8 },
  // The process ends with the worker's step; nobody is left to say so.
  'exit of the process with workers in a step': { rounds: 1, stdout: '' },
  'a queue beside main': { rounds: 1 },
  'finetune at once': { rounds: 1 },
  'at once': { rounds: 1 },
};

test('the table has every scenario of the program', () => {
  expect(Object.keys(scenarios).sort()).toEqual(inProgram('workers.cjs', /^ {2}async '([^']+)'/gm));
});

/** Fifty workers one after the other are ten seconds' work for a machine that has nothing else to do. */
const LONGER_MS = 3 * PATIENCE_MS;

test.each(Object.entries(scenarios))(
  '%s',
  async (scenario, { rounds, stdout = 'all rounds done\n', environment = {} }) => {
    expect(await runProgram('workers.cjs', [scenario, String(rounds)], [], environment, LONGER_MS)).toEqual({
      code: 0,
      signal: null,
      stdout,
      stderr: '',
    });
  },
  LONGER_MS + 10_000,
);
