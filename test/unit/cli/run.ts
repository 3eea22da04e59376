import { spawn } from 'node:child_process';
import { join } from 'node:path';

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `vectune` as it is built, to its end; `during` sees each piece of the standard output, and may write. */
export function vectune(
  args: readonly string[],
  input = '',
  during?: (stdout: string, type: (text: string) => void, end: () => void) => void,
): Promise<Ran> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(process.execPath, [join(__dirname, '../../../dist/cli/main.js'), ...args], {
    env: { ...env, HF_HUB_OFFLINE: '1' },
    timeout: 50_000,
    killSignal: 'SIGKILL',
  });
  const ran = { stdout: '', stderr: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    ran.stderr += text;
  });
  child.stdin.on('error', () => undefined); // it may end before it has read
  const type = (text: string) => child.stdin.write(text);
  const end = () => child.stdin.end();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    ran.stdout += text;
    during?.(ran.stdout, type, end);
  });
  if (input !== '') type(input);
  if (during === undefined) end();
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...ran })));
}
