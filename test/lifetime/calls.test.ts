import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readContract } from './contract';
import { inProgram, runProgram } from './run-program';

/**
 * Calls of the addon's functions that come in each other's way: each gives a result or an error of the contract, and
 * nothing is left. Which functions there are is read from the contract.
 */

test.each(inProgram('calls.cjs', /^ {2}async '([^']+)'\(/gm))('%s', async (what) => {
  const folder = mkdtempSync(join(tmpdir(), 'vectune-calls-'));
  try {
    const request = JSON.stringify({ ...readContract(), folder });
    expect(await runProgram('calls.cjs', [request, what], ['--expose-gc'])).toEqual({
      code: 0,
      signal: null,
      stdout: 'done\n',
      stderr: '',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
