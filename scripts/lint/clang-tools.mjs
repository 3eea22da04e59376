import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../setup/paths.mjs';
import { run, tail } from '../setup/run.mjs';
import { pipCommand } from '../setup/tools.mjs';

/** clang-format and clang-tidy are wheels: each version forms and finds something else. */
const WHEELS = { 'clang-format': '23.1.5', 'clang-tidy': '23.1.4' };

/**
 * Path of a tool, installed by pip in this clone's cache where it is not there yet.
 * @throws ToolMissing: this machine cannot have it.
 */
export async function clangTool(name) {
  const version = WHEELS[name];
  const folder = join(ROOT, '.cache', 'clang', `${name}-${version}`);
  const program = join(folder, name.replace('-', '_'), 'data', 'bin', name);
  if (existsSync(program)) return program;
  const pip = pipCommand();
  if (pip === undefined) throw new ToolMissing(`${name} ${version} comes through pip, and there is none`);
  const aside = `${folder}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check'];
  const { code, output } = await run(pip[0], [
    ...pip.slice(1),
    'install',
    ...options,
    '--target',
    aside,
    `${name}==${version}`,
  ]);
  try {
    if (code !== 0) throw new ToolMissing(`pip cannot install ${name} ${version}: ${tail(output, 1)}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return program;
}

/** A check that needs the tool is skipped, and counts as that. */
export class ToolMissing extends Error {}
