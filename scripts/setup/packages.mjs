import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.mjs';
import { head, run } from './run.mjs';
import { SetupError } from './step.mjs';

/** `npm ci` where node_modules is not what package-lock.json asks for. */
export async function installPackages() {
  const wrong = firstDifference();
  if (wrong === undefined) return undefined;
  // No package of ours needs an install script.
  const { code, output } = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code === 0) return `npm packages installed (${wrong})`;
  if (/E(?:NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH)|network/i.test(output)) {
    throw new SetupError(
      `npm cannot reach its registry:\n${head(output, 5)}\nCheck the network (and npm's proxy and registry settings); ` +
        'this says whether it answers:',
      'npm ping',
    );
  }
  throw new SetupError(`npm could not install the packages:\n${head(output, 15)}\nOnce that is mended:`, 'npm ci');
}

/** What of package-lock.json is not in node_modules; undefined where all is. */
function firstDifference() {
  const record = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(record)) return 'there were none';
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  const present = JSON.parse(readFileSync(record, 'utf8')).packages;
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    if (path === '' || present[path]?.version === version) continue;
    if (present[path] === undefined && optional === true) continue; // for another platform
    return `${path.replace(/^.*node_modules\//, '')} ${version} was missing`;
  }
  return undefined;
}

function runNpm(args) {
  const script = process.env.npm_execpath;
  const spawned = script && /npm-cli\.js$/.test(script) ? run(process.execPath, [script, ...args]) : run('npm', args);
  return spawned.catch(() => {
    throw new SetupError(
      'npm is not on this machine. It comes with Node; install Node with npm, e.g.:',
      'nvm install 20',
    );
  });
}
