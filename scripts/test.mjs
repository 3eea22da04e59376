// npm test: the set-up, the checks of form and faults (scripts/lint), jest, then the tests that run in plain Node
// (test/plain, because jest's module contexts hide faults of instanceof, and test/package, the packed tarball).
// Arguments go to jest, and then jest alone is run. The last line, alone, is `N passed, N failed, N skipped` over all;
// each check counts as a test.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHECKS, runChecks } from './lint/checks.mjs';
import { runJest } from './run-jest.mjs';
import { ROOT } from './setup/paths.mjs';
import { runShown } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';
import { setUp } from './setup.mjs';

async function runPlain(temporary) {
  const paths = ['plain', 'package'].flatMap((name) => {
    const folder = join(ROOT, 'test', name);
    return readdirSync(folder)
      .filter((file) => file.endsWith('.test.mjs'))
      .map((file) => join(folder, file));
  });
  const tap = join(temporary, 'plain.tap');
  const reporters = [
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...['--test-reporter=tap', `--test-reporter-destination=${tap}`],
  ];
  const code = await runShown(process.execPath, ['--test', ...reporters, ...paths]);
  const text = existsSync(tap) ? readFileSync(tap, 'utf8') : '';
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  const failed = count('fail') + count('cancelled');
  return {
    passed: count('pass'),
    failed: failed === 0 && code !== 0 ? 1 : failed,
    skipped: count('skipped') + count('todo'),
  };
}

await runScript(async () => {
  await setUp();
  const args = process.argv.slice(2);
  const temporary = mkdtempSync(join(tmpdir(), 'vectune-test-'));
  try {
    const all = args.length === 0;
    const results = [];
    if (all) results.push(await runChecks(CHECKS));
    results.push(await runJest(args));
    if (all) results.push(await runPlain(temporary));
    const sum = (name) => results.reduce((total, result) => total + result[name], 0);
    console.log(`\n${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`);
    return sum('failed') === 0 ? 0 : 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});
