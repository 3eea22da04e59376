import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

/** libgomp tells its settings when it is mapped, which is when LibTorch is opened. */
const PROGRAM = `
  const { loadEngine } = require(process.argv[1]);
  loadEngine().then(() => console.log('left behind: ' + process.env.GOMP_SPINCOUNT));
`;
const LOAD = resolve(__dirname, '../../../dist/engine/load.js');

function settings(environment: NodeJS.ProcessEnv): { spins: string | undefined; output: string } {
  const env: NodeJS.ProcessEnv = { ...process.env, OMP_DISPLAY_ENV: 'verbose', ...environment };
  for (const name of ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT']) if (environment[name] === undefined) delete env[name];
  const child = spawnSync(process.execPath, ['-e', PROGRAM, LOAD], { env, encoding: 'utf8' });
  expect(child.status).toBe(0);
  return { spins: /GOMP_SPINCOUNT = '(\d+)'/.exec(child.stderr)?.[1], output: child.stdout };
}

test('threads that wait spin for a short time only, and the environment is as it was', () => {
  expect(settings({})).toEqual({ spins: '1000', output: 'left behind: undefined\n' });
});

test('what the user set is left alone', () => {
  expect(settings({ GOMP_SPINCOUNT: '77' })).toEqual({ spins: '77', output: 'left behind: 77\n' });
  expect(settings({ OMP_WAIT_POLICY: 'passive' }).spins).toBe('0');
});

test('the threads of LibTorch do not spin beside the team of the engine, which is what is active', () => {
  expect(settings({ OMP_WAIT_POLICY: 'active' })).toEqual({ spins: '1000', output: 'left behind: undefined\n' });
  expect(settings({ OMP_WAIT_POLICY: 'active', GOMP_SPINCOUNT: '77' }).spins).toBe('77');
});
