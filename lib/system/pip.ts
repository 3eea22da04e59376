import { ToolError } from './errors';
import { runChild, type ChildOptions } from './child';

const PIPS: readonly (readonly string[])[] = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];

/**
 * How to call this machine's pip, as its user configured it.
 *
 * @param what comes through pip, and `otherwise` what to do instead of installing it, for the message
 * @throws ToolError ERR_TOOL_MISSING
 */
export async function findPip(options: ChildOptions, what: string, otherwise = ''): Promise<readonly string[]> {
  for (const pip of PIPS) {
    const [program, ...prefix] = pip;
    const works = await runChild(program!, [...prefix, '--version'], options).then(
      () => true,
      () => false,
    );
    if (works) return pip;
  }
  throw new ToolError(
    'ERR_TOOL_MISSING',
    `${what} comes through pip, and there is none on this machine (tried ` +
      `${PIPS.map((pip) => `\`${pip.join(' ')}\``).join(', ')}). Install it (on Debian and Ubuntu: ` +
      `apt-get install python3-pip)${otherwise}.`,
  );
}
