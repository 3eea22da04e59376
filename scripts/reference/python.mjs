// A Python with the reference's packages: VECTUNE_REFERENCE_PYTHON, or a virtual environment in vectune's cache.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DIST } from '../setup/paths.mjs';
import { run, tail, versionOutput } from '../setup/run.mjs';
import { SetupError } from '../setup/step.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const REQUIREMENTS = join(HERE, 'requirements.txt');
const OLDEST = [3, 10]; // that there is a torch 2.11 for

/** Path of the interpreter; installs the packages on the first call (some gigabytes). */
export async function referencePython() {
  const given = process.env.VECTUNE_REFERENCE_PYTHON;
  if (given) {
    if (versionOutput(given) !== undefined) return given;
    throw new SetupError(
      `VECTUNE_REFERENCE_PYTHON names ${given}, which does not run. Correct it, or have vectune ` + 'install its own:',
      'unset VECTUNE_REFERENCE_PYTHON',
    );
  }
  const { cacheRoot } = createRequire(import.meta.url)(join(DIST, 'system', 'cache-root.js'));
  const requirements = readFileSync(REQUIREMENTS, 'utf8');
  const folder = join(cacheRoot(), 'reference', createHash('sha256').update(requirements).digest('hex').slice(0, 12));
  const python = join(folder, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const complete = join(folder, 'complete');
  if (existsSync(complete)) return python;
  await install(folder, python);
  writeFileSync(complete, requirements);
  return python;
}

async function install(folder, python) {
  const base = ['python3', 'python'].find((program) => isNewEnough(versionOutput(program)));
  if (base === undefined) {
    throw new SetupError(
      `The comparison needs Python ${OLDEST.join('.')} or newer, and there is none on the path. ` + 'Install it, e.g.:',
      'sudo apt-get install python3 python3-venv',
    );
  }
  const packages = readFileSync(REQUIREMENTS, 'utf8').trim().split('\n').join(', ');
  console.log(`Installing the reference (${packages}) in ${folder}; this happens once and takes some minutes.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const made = await run(base, ['-m', 'venv', folder]);
  if (made.code !== 0) {
    throw new SetupError(
      `${base} could not make a virtual environment:\n${tail(made.output)}\nInstall what it ` + 'lacks, e.g.:',
      'sudo apt-get install python3-venv',
    );
  }
  const installed = await run(python, ['-m', 'pip', 'install', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  if (installed.code !== 0) {
    throw new SetupError(
      `pip could not install the reference:\n${tail(installed.output)}\nWhen that is mended, run:`,
      'npm run parity',
    );
  }
}

function isNewEnough(output) {
  const found = /^Python (\d+)\.(\d+)/.exec(output ?? '');
  return found !== null && (Number(found[1]) > OLDEST[0] || Number(found[2]) >= OLDEST[1]);
}

/** Runs reference.py on a folder with a request.json; gives its answers. */
export async function askReference(folder) {
  const python = await referencePython();
  const { code, output } = await run(python, [join(HERE, 'reference.py'), folder], {
    env: { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1', TOKENIZERS_PARALLELISM: 'false' },
  });
  if (code !== 0) throw new Error(`The reference failed:\n${tail(output)}`);
  return JSON.parse(readFileSync(join(folder, 'answers.json'), 'utf8'));
}
