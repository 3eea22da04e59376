// npm run test:matrix: `npm test` for every other LibTorch that vectune knows, or for the versions that are named:
// installs it with header files, builds the addons against it and runs the whole suite on it.
//   node scripts/test-matrix.mjs [version …] [-- arguments for jest]
// The last lines are `LibTorch <version>: N passed, N failed, N skipped`, one for each.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installPackages } from './setup/packages.mjs';
import { DIST, ROOT } from './setup/paths.mjs';
import { runScript, SetupError, step } from './setup/step.mjs';
import { checkNode } from './setup/tools.mjs';
import { compileTypeScript } from './setup/typescript.mjs';

const require = createRequire(import.meta.url);
const SUMMARY = /^\d+ passed, \d+ failed, \d+ skipped$/;

await runScript(async () => {
  checkNode();
  await step('packages', installPackages);
  await step('typescript', compileTypeScript);
  const { releases, REFERENCE_VERSION } = require(join(DIST, 'libtorch', 'table.js'));
  const known = releases().map(({ version }) => version);
  const [named, jest] = splitArguments(process.argv.slice(2));
  for (const version of named) {
    if (!known.includes(version)) {
      throw new SetupError(`vectune does not know LibTorch ${version}; it knows ${known.join(', ')}.`);
    }
  }
  const versions = named.length > 0 ? named : known.filter((version) => version !== REFERENCE_VERSION);
  const results = [];
  for (const version of versions) results.push(await testOn(version, jest));
  console.log();
  for (const { version, summary } of results) console.log(`LibTorch ${version}: ${summary}`);
  return results.every(({ code }) => code === 0) ? 0 : 1;
});

function splitArguments(args) {
  const at = args.indexOf('--');
  return at < 0 ? [args, []] : [args.slice(0, at), args.slice(at + 1)];
}

/** Each in a process of its own: the set-up reads the version once. */
async function testOn(version, jest) {
  const environment = { ...process.env, VECTUNE_LIBTORCH_VERSION: version };
  delete environment.VECTUNE_LIBTORCH;
  const setUp = await runTeed(['setup.mjs'], environment);
  if (setUp.code !== 0) return { version, code: setUp.code, summary: 'the set-up failed' };
  const { releaseFolder } = require(join(DIST, 'libtorch', 'cache.js'));
  // Programs prefer the reference where both are there; this names the other.
  environment.VECTUNE_LIBTORCH = releaseFolder(version);
  const { code, output } = await runTeed(['test.mjs', ...jest], environment);
  const summary = output
    .split('\n')
    .filter((line) => SUMMARY.test(line))
    .at(-1);
  return { version, code, summary: summary ?? 'the tests did not come to their end' };
}

/** Runs a script of ours; what it prints is shown and kept. */
function runTeed([script, ...args], env) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, 'scripts', script), ...args], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      process.stdout.write(text);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
