import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Runs pip until its log names the address of a file, and then ends it: a pip that is asked for a report fetches a
 * wheel to look inside where its index keeps no metadata beside it, but it tells every link that it considers before.
 * Only the address is looked for, not the words around it. Undefined where the log names none; the signal's end is
 * the same.
 */
export function addressInLog(
  program: string,
  args: readonly string[],
  file: string,
  options: { environment: NodeJS.ProcessEnv; signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const named = new RegExp(`(?:https?|file)://[^\\s"'#()]*/${file.replaceAll(/[.+]/g, '\\$&')}(?=[\\s"'#()]|$)`);
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      env: options.environment,
      ...(options.signal && { signal: options.signal }),
    });
    let address: string | undefined;
    const read = (line: string): void => {
      address ??= named.exec(line)?.[0];
      // What pip hides of an address (name, password) it alone can fetch.
      if (address !== undefined) child.kill();
    };
    createInterface({ input: child.stdout }).on('line', read);
    createInterface({ input: child.stderr }).on('line', read);
    child.on('error', () => resolve(undefined)); // not there, or the signal
    child.on('close', () => resolve(address));
  });
}
