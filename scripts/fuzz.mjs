// npm run fuzz: hostile input without end. The engine's readers and entries under the address and undefined-behaviour
// sanitizers, guided by coverage, then the readers that are TypeScript, guided by what they say (test/fuzz), then the
// property tests of test/hostile with more and other inputs.
//   npm run fuzz                          a minute for each target, ten times the properties
//   npm run fuzz -- --seconds 600         longer for each target
//   npm run fuzz -- --only json,pickle    some targets (json, safetensors, places, weights, adapter, table, embed, rows,
//                                         spec; pickle, torch-file, sentencepiece), or properties
//   npm run fuzz -- --properties 50       times as many inputs as npm test has; 0 leaves them out
//   npm run fuzz -- --seed 7              other mutations
// What was reached goes on in .build/fuzz/corpus; an input that fails is kept in .build/fuzz/crashes.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSanitized, sanitizedEnvironment } from './setup/sanitized.mjs';
import { ROOT } from './setup/paths.mjs';
import { run, runShown, tail } from './setup/run.mjs';
import { runScript, SetupError, step } from './setup/step.mjs';
import { setUp } from './setup.mjs';

const require = createRequire(import.meta.url);
const FOLDER = join(ROOT, '.build', 'fuzz');
const PROGRAM = join(FOLDER, 'vectune_fuzz');
const READERS = join(ROOT, 'test', 'fuzz', 'readers.mjs');

/** Fuzzes one target; gives its line of figures, or keeps the input that failed and tells how to try it again. */
async function fuzzTarget(name, { seconds, seed }, env) {
  const corpus = join(FOLDER, 'corpus', name);
  mkdirSync(corpus, { recursive: true });
  const artifact = join(FOLDER, `current-${name}`);
  const folders = [corpus, join(ROOT, 'test', 'fuzz', 'found', name)].flatMap((folder) => ['--corpus', folder]);
  const args = [name, '--seconds', seconds, '--seed', seed, '--artifact', artifact, ...folders];
  const { code, signal, output } = await run(PROGRAM, args, {
    env,
    timeout: 1000 * (4 * seconds + 300),
    killSignal: 'SIGKILL',
  });
  if (code === 0 && signal === null) return { line: output.trim() };
  const file = readFileSync(artifact); // the length, then the bytes
  const input = file.subarray(8, 8 + Number(file.readBigUInt64LE(0)));
  const kept = join(FOLDER, 'crashes', `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  mkdirSync(join(FOLDER, 'crashes'), { recursive: true });
  writeFileSync(kept, input);
  const how =
    signal === 'SIGPROF'
      ? 'it took longer than ten seconds of the processor'
      : `it ended with ${signal ?? `code ${code}`}`;
  const again = `${relative(ROOT, PROGRAM)} ${name} --replay ${relative(ROOT, kept)}`;
  return {
    failed: `${name}: ${how}:\n${tail(output, 25)}\nThe input is kept. With LibTorch's lib folder in LD_LIBRARY_PATH:\n  ${again}`,
  };
}

/** Fuzzes one of the readers that are TypeScript, in a process of its own; else the same. */
async function fuzzReader(name, { seconds, seed }) {
  const corpus = join(FOLDER, 'corpus', name);
  const artifact = join(FOLDER, `current-${name}`);
  const args = [READERS, name, '--seconds', seconds, '--seed', seed, '--corpus', corpus, '--artifact', artifact];
  const { code, signal, output } = await run(process.execPath, ['--max-old-space-size=2048', ...args], {
    timeout: 1000 * (4 * seconds + 300),
    killSignal: 'SIGKILL',
  });
  if (code === 0 && signal === null) return { line: output.trim() };
  const input = readFileSync(artifact);
  const kept = join(FOLDER, 'crashes', `${name}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  mkdirSync(join(FOLDER, 'crashes'), { recursive: true });
  writeFileSync(kept, input);
  const again = `node ${relative(ROOT, READERS)} ${name} --replay ${relative(ROOT, kept)}`;
  return {
    failed: `${name}: it ended with ${signal ?? `code ${code}`}:\n${tail(output, 25)}\nThe input is kept:\n  ${again}`,
  };
}

async function fuzzProperties(times) {
  const jest = join(require.resolve('jest/package.json'), '..', 'bin', 'jest.js');
  const env = { ...process.env, VECTUNE_FUZZ: String(times) };
  return runShown(process.execPath, [jest, 'test/hostile'], { env });
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1e9) },
      only: { type: 'string' },
      properties: { type: 'string', default: '10' },
    },
  });
  for (const name of ['seconds', 'seed', 'properties']) {
    if (!/^\d+(\.\d+)?$/.test(values[name])) throw new SetupError(`--${name} needs a number, and not ${values[name]}.`);
  }
  await setUp();
  const wanted = values.only?.split(',');
  const readers = (await run(process.execPath, [READERS, '--list'], {})).output.trim().split('\n');
  const others = [...readers, 'properties'];
  let failures = 0;
  if (wanted === undefined || wanted.some((name) => !others.includes(name))) {
    let env;
    await step('fuzzer', async () => {
      const libtorch = await buildSanitized(FOLDER, 'vectune_fuzz', { VECTUNE_FUZZ: 'ON' });
      // One thread: what an input reaches must not depend on who was quicker.
      env = { ...sanitizedEnvironment(libtorch), OMP_NUM_THREADS: '1' };
      return 'vectune_fuzz built';
    });
    const known = (await run(PROGRAM, ['--list'], { env })).output.trim().split('\n');
    const unknown = wanted?.find((name) => !others.includes(name) && !known.includes(name));
    if (unknown !== undefined)
      throw new SetupError(`There is no target ${unknown}; there are ${[...known, ...others].join(', ')}.`);
    for (const name of known.filter((target) => wanted === undefined || wanted.includes(target))) {
      const { line, failed } = await fuzzTarget(name, values, env);
      if (failed !== undefined) ++failures;
      console.log(failed ?? line);
    }
  }
  for (const name of readers.filter((target) => wanted === undefined || wanted.includes(target))) {
    const { line, failed } = await fuzzReader(name, values);
    if (failed !== undefined) ++failures;
    console.log(failed ?? line);
  }
  const times = Number(values.properties);
  if (
    times > 0 &&
    (wanted === undefined || wanted.includes('properties')) &&
    existsSync(join(ROOT, 'test', 'hostile'))
  ) {
    if ((await fuzzProperties(times)) !== 0) ++failures;
  }
  console.log(failures === 0 ? 'nothing was found' : `${failures} failed`);
  return failures === 0 ? 0 : 1;
});
