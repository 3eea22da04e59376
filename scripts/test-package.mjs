// npm run test:package: the whole clean room, test/package, also what takes too long for `npm test`.
//   node scripts/test-package.mjs [TARBALL]   default: one packed from what this clone has built
import { resolve } from 'node:path';
import { runShown } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const FILES = ['package.test.mjs', 'refused.test.mjs', 'long.mjs'];

await runScript(async () => {
  const [tarball] = process.argv.slice(2);
  if (tarball === undefined) await setUp();
  const env = { ...process.env, ...(tarball && { VECTUNE_TARBALL: resolve(tarball) }) };
  const paths = FILES.map((name) => `test/package/${name}`);
  return runShown(process.execPath, ['--test', '--test-reporter=spec', ...paths], { env });
});
