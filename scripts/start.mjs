// npm start: the set-up, then the quickstart, to which all arguments go.
import { join } from 'node:path';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

await runScript(async () => {
  await setUp();
  return runShown(process.execPath, [join(ROOT, 'scripts', 'quickstart', 'main.mjs'), ...process.argv.slice(2)]);
});
