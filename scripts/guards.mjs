// npm run guards: takes every guard of test/guards out of the code in turn, builds, and runs the test that is
// there for it, which must fail. Works on a copy of the tracked files as they stand; the checkout is left alone.
//   npm run guards                       all: about half an hour on two cores, the build included
//   npm run guards -- checkpoint flock   those with one of these words in their name or their file's path
//   npm run guards -- --out FILE         the table goes to a file, not to standard output
//   npm run guards -- --folder FOLDER    keeps the copy there; the next time only what changed is built
// A guard counts as caught where a named test fails. One that can only hang is ended by its own time limit, and counts
// where the table says so; a build that fails, or tests that come to no end in ten minutes a file, are errors.
import { createRequire } from 'node:module';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { guards as byFile } from '../test/guards/guards.mjs';
import { installPackages } from './setup/packages.mjs';
import { ROOT } from './setup/paths.mjs';
import { mustRun, run, tail } from './setup/run.mjs';
import { runScript, SetupError } from './setup/step.mjs';
import { transpiler } from './setup/typescript.mjs';

const require = createRequire(import.meta.url);
/** In the copy's folder: that it is one, and may be written to. */
const MARKER = '.vectune-guards';
const MAX_TEST_MS = 600_000;
/** Of a failure, for who looks whether it is the one that was to be expected. */
const SHOWN_LINES = 12;

const GUARDS = Object.entries(byFile).flatMap(([file, list]) => list.map((guard) => ({ file, ...guard })));
const same = (a, b) => existsSync(b) && readFileSync(a).equals(readFileSync(b));

/** Writes what differs only, so that a build in a folder that was there before begins where it ended. */
async function copyTracked(folder) {
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0 && !existsSync(join(folder, MARKER))) {
    throw new SetupError(`${folder} is not empty and no copy of an earlier run. Name a folder that is not there.`);
  }
  writeFileSync(join(folder, MARKER), '');
  const tracked = (await mustRun('git', ['ls-files', '-z']))
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(ROOT, file)));
  for (const file of tracked) {
    const [from, to] = [join(ROOT, file), join(folder, file)];
    if (same(from, to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
  const known = new Set(tracked.map((file) => join(folder, file)));
  for (const top of ['lib', 'native', 'test']) {
    for (const entry of readdirSync(join(folder, top), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      if (entry.isFile() && !known.has(path)) rmSync(path);
    }
  }
  const packages = join(folder, 'node_modules');
  if (lstatSync(packages, { throwIfNoEntry: false }) === undefined) symlinkSync(join(ROOT, 'node_modules'), packages);
}

/** What TypeScript or the addons need anew. @throws SetupError */
async function build(folder) {
  await mustRun(process.execPath, [join(folder, 'scripts', 'setup.mjs'), '--build-only'], { cwd: folder });
}

/** What a file that changed needs anew. Types are not checked: what takes a guard out may leave a name unused. */
async function rebuild(folder, file) {
  if (file.startsWith('lib/')) transpiler(folder)(join(folder, file));
  else await build(folder);
}

/** Runs the tests of guards; gives for each what became of those with its name. `ended`: not by themselves. */
async function runTests(folder, guards) {
  const jest = join(require.resolve('jest/package.json'), '..', 'bin', 'jest.js');
  const report = join(folder, 'guards.json');
  rmSync(report, { force: true });
  const files = [...new Set(guards.map(({ test }) => `test/${test}.test.ts`))];
  const names = guards.map(({ name }) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
  const args = [
    '--json',
    `--outputFile=${report}`,
    `--cacheDirectory=${join(folder, '.cache', 'jest')}`,
    '--forceExit',
  ];
  const { output } = await run(
    process.execPath,
    [jest, ...args, '--testNamePattern', names, '--runTestsByPath', ...files],
    {
      cwd: folder,
      timeout: MAX_TEST_MS * files.length,
      killSignal: 'SIGKILL',
    },
  );
  if (!existsSync(report))
    return guards.map(() => ({ ended: `the tests came to no end:\n${tail(output, 20)}`, passed: [], failed: [] }));
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  return guards.map(({ test, name }) => {
    const result = testResults.find((one) => one.name === join(folder, `test/${test}.test.ts`));
    const named = (status) =>
      (result?.assertionResults ?? []).filter((one) => one.status === status && one.fullName.includes(name));
    const [passed, failed] = [named('passed'), named('failed')];
    return {
      passed,
      failed,
      ended: passed.length + failed.length > 0 ? undefined : result?.message || 'there is no such test',
    };
  });
}

const sound = ({ passed, failed }) => passed.length > 0 && failed.length === 0;
const why = ({ failed: [first] }) => first.failureMessages[0].trim().split('\n').slice(0, SHOWN_LINES).join('\n');
const hung = ({ failureMessages }) => failureMessages.every((message) => message.includes('Exceeded timeout of'));
const list = (tests) => tests.map(({ ancestorTitles, title }) => [...ancestorTitles, title].join(' › ')).join('; ');

/** Takes one guard out and puts it back. */
async function tryWithout(folder, guard) {
  const path = join(folder, guard.file);
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(guard.from, () => guard.to),
  );
  try {
    await rebuild(folder, guard.file);
    const [{ failed, ended }] = await runTests(folder, [guard]);
    if (ended !== undefined) return { verdict: 'error', told: ended };
    if (failed.length === 0) return { verdict: 'survived', told: 'SURVIVED' };
    const hangs = failed.every(hung);
    if (hangs && guard.hangs !== true) return { verdict: 'error', told: `only hangs: ${list(failed)}` };
    return {
      verdict: 'caught',
      told: `test/${guard.test}: ${list(failed)}${hangs ? ' (by its time limit)' : ''}`,
      why: why({ failed }),
    };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { verdict: 'error', told: error.message };
  } finally {
    writeFileSync(path, text);
    if (guard.file.startsWith('lib/')) await rebuild(folder, guard.file);
  }
}

function chosen(words) {
  const guards = GUARDS.filter(
    ({ guard, file }) => words.length === 0 || words.some((word) => `${guard} ${file}`.includes(word)),
  );
  if (guards.length === 0)
    throw new SetupError(`There is no guard with ${words.join(' or ')} in its name or its file's path.`);
  const lost = guards.filter(({ file, from }) => readFileSync(join(ROOT, file), 'utf8').split(from).length !== 2);
  if (lost.length === 0) return guards;
  throw new SetupError(
    `What these guards replace is not in their file exactly once; bring test/guards up to date:\n${lost
      .map(({ guard, file }) => `${file}: ${guard}`)
      .join('\n')}`,
  );
}

await runScript(async () => {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string' }, folder: { type: 'string' } },
    allowPositionals: true,
  });
  const guards = chosen(positionals);
  await installPackages();
  const folder = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'vectune-guards-')) : resolve(values.folder);
  const rows = [];
  const started = performance.now();
  try {
    await copyTracked(folder);
    await build(folder);
    const together = await runTests(folder, guards);
    for (const [i, guard] of guards.entries()) {
      // Once more alone: a machine that was busy with something else for a while must not cost a row.
      const before = sound(together[i]) ? together[i] : (await runTests(folder, [guard]))[0];
      const row = sound(before)
        ? await tryWithout(folder, guard)
        : {
            verdict: 'error',
            told: before.ended ?? `fails with the guard too: ${list(before.failed)}\n${why(before)}`,
          };
      rows.push({ ...guard, ...row });
      console.error(`${row.verdict.padEnd(8)} ${guard.guard} (${guard.file}): ${row.told}`);
      if (row.why !== undefined) console.error(row.why.replaceAll(/^/gm, '         '));
    }
  } finally {
    if (values.folder === undefined) rmSync(folder, { recursive: true, force: true });
  }
  const cell = (text) => text.split('\n')[0].replaceAll('|', '\\|');
  const table = [
    '| guard | file | failing test |',
    '|---|---|---|',
    ...rows.map(({ guard, file, told }) => `| ${cell(guard)} | ${file} | ${cell(told)} |`),
    '',
  ].join('\n');
  if (values.out === undefined) console.log(table);
  else writeFileSync(values.out, table);
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  const errors = count('error') > 0 ? `, ${count('error')} not tried` : '';
  console.log(`${((performance.now() - started) / 60_000).toFixed(0)} minutes`);
  console.log(`${rows.length} guards: ${count('caught')} caught, ${count('survived')} survived${errors}`);
  return count('caught') === rows.length ? 0 : 1;
});
