// npm run hygiene: publint and are-the-types-wrong on the packed tarball, licences of what npm installs with it, and
// the registry's advisories about them.
//   node scripts/hygiene.mjs [TARBALL]   default: one packed from what this clone has built
import { createRequire } from 'node:module';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { pack } from './pack.mjs';
import { ROOT } from './setup/paths.mjs';
import { run, tail } from './setup/run.mjs';
import { runScript } from './setup/step.mjs';

const require = createRequire(import.meta.url);

/** Licences that ask for nothing but their notice. */
const ALLOWED = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD'];

const checks = {
  async publint(tarball) {
    const { buffer, byteOffset, byteLength } = readFileSync(tarball);
    const content = buffer.slice(byteOffset, byteOffset + byteLength);
    const { messages, pkg } = await publint({ pack: { tarball: content }, strict: true });
    return messages.map((message) => formatMessage(message, pkg, { color: false }));
  },

  async 'are the types wrong'(tarball) {
    const program = join(require.resolve('@arethetypeswrong/cli/package.json'), '..', 'dist', 'index.js');
    const { code, output } = await run(process.execPath, [
      program,
      tarball,
      '--format',
      'ascii',
      '--no-color',
      '--no-emoji',
    ]);
    return code === 0 ? [] : [tail(output, 40)];
  },

  async licences() {
    const notices = readFileSync(join(ROOT, 'THIRD_PARTY_NOTICES.md'), 'utf8');
    const listed = new Map(
      [...notices.matchAll(/^\| (\S+) \| (\S+) \|$/gm)].map(([, name, licence]) => [name, licence]),
    );
    const faults = [];
    for (const { name, licence } of installed()) {
      if (!ALLOWED.includes(licence))
        faults.push(`${name} is under ${licence}, which is not among ${ALLOWED.join(', ')}`);
      if (listed.get(name) !== licence)
        faults.push(`THIRD_PARTY_NOTICES.md must have the line: | ${name} | ${licence} |`);
    }
    return faults;
  },

  async audit() {
    const { code, output } = await run('npm', ['audit', '--omit=dev', '--json'], {
      shell: process.platform === 'win32',
    });
    let answer;
    try {
      answer = JSON.parse(output.slice(output.indexOf('{')));
    } catch {
      answer = {};
    }
    if (answer.metadata?.vulnerabilities === undefined) return 'npm audit has no answer from the registry';
    return code === 0
      ? []
      : [`npm audit --omit=dev finds ${answer.metadata.vulnerabilities.total}: ${Object.keys(answer.vulnerabilities)}`];
  },
};

/** What npm installs with the package, by the lock file. */
function installed() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { license }]) => ({ name: path.replace(/^.*node_modules\//, ''), licence: license }));
}

await runScript(async () => {
  const temporary = mkdtempSync(join(tmpdir(), 'vectune-hygiene-'));
  try {
    const named = process.argv[2];
    const tarball = named === undefined ? (await pack({ built: true, out: temporary })).tarball : resolve(named);
    let wrong = 0;
    for (const [name, check] of Object.entries(checks)) {
      const faults = await check(tarball);
      if (typeof faults === 'string') {
        console.log(`${name}: skipped, ${faults}`);
        continue;
      }
      console.log(`${name}: ${faults.length === 0 ? 'clean' : 'wrong'}`);
      for (const fault of faults) console.error(`  ${fault}`);
      wrong += faults.length;
    }
    return wrong === 0 ? 0 : 1;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
});
