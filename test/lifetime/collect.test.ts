import { inProgram, runProgram } from './run-program';

/** What nobody disposes and nobody can reach any more is freed, to the last byte. */

test.each(inProgram('collect.cjs', /^ {2}async '?([\w ]+?)'?\(/gm))('%s', async (what) => {
  expect(await runProgram('collect.cjs', [what], ['--expose-gc'])).toEqual({
    code: 0,
    signal: null,
    stdout: 'all freed\n',
    stderr: '',
  });
});
