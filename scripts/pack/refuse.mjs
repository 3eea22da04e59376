// What `npm pack` and `npm publish` run in a clone: its dist has no addons, and its package.json is not the packed one.
import { runScript, SetupError } from '../setup/step.mjs';

// npm runs it before the script `pack` too.
await runScript(() => {
  if (process.env.npm_command?.startsWith('run')) return 0; // 'run' since npm 11, 'run-script' before
  throw new SetupError(
    'The package is not packed from the clone itself. This builds, packs and checks it:',
    'npm run pack',
  );
});
