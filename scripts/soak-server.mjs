// npm run soak:server: ten times the load that a server carries for a minute, 1,000 slow and broken clients, 10,000 hostile
// bodies and 200 of the largest that are taken (each twice, so that what leaks shows), swaps of the model under load. Arguments go to test/serve/programs/soak.mjs.
import { join } from 'node:path';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

await runScript(async () => {
  await setUp();
  return runShown(process.execPath, [join(ROOT, 'test/serve/programs/soak.mjs'), ...process.argv.slice(2)]);
});
