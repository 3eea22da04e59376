// npm run lint: form and faults of all code, as `npm test` checks them.
//   npm run lint          Biome, types of the tests, docstrings, clang-format, clang-tidy on the files without LibTorch's
//                         headers
//   npm run lint:native   clang-tidy on every C++ file, with its static analyser: some ten minutes the first time,
//                         then what changed
//   npm run format        writes the form instead
import { CHECKS, NATIVE_CHECKS, runChecks, writeForm } from './lint/checks.mjs';
import { runScript, SetupError } from './setup/step.mjs';

await runScript(async () => {
  const [what, ...more] = process.argv.slice(2);
  if (more.length > 0 || ![undefined, '--format', '--native'].includes(what)) {
    throw new SetupError(`lint has no argument ${more[0] ?? what}; it has --format and --native.`);
  }
  if (what === '--format') {
    await writeForm();
    return 0;
  }
  const { passed, failed, skipped } = await runChecks(what === '--native' ? NATIVE_CHECKS : CHECKS);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed === 0 ? 0 : 1;
});
