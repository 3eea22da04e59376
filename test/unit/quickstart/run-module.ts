import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Runs code that sees the exports of a module of scripts/quickstart, in a Node of its own (jest's module contexts
 * cannot load ES modules), and gives what it printed as JSON.
 */
export function runModule(name: string, code: string): unknown {
  const url = pathToFileURL(resolve(__dirname, '../../../scripts/quickstart', name)).href;
  const program = `const module = await import(${JSON.stringify(url)});
    const { ${exportsOf(url)} } = module;\n${code}`;
  return JSON.parse(node(program));
}

function exportsOf(url: string): string {
  return JSON.parse(node(`console.log(JSON.stringify(Object.keys(await import(${JSON.stringify(url)})).join(', ')))`));
}

function node(program: string): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Error(stderr);
  return stdout;
}
