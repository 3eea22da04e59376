import type { Surface } from '../system/wording';
import { flagName } from './flags';
import { entries } from './tables';

/** What gives an option: a flag, or a variable of the environment. */
function given(path: string): string {
  if (path.startsWith('loss.')) {
    const own = path.slice('loss.'.length);
    // Only JSON has losses within a loss.
    return /[.[]/.test(own) ? `${own} of --loss` : `--loss-option ${own}`;
  }
  // All parts but those of a scored pair have one flag together.
  const [, all, part] = /^(.*\.columns)\.([^.]+)$/.exec(path) ?? [];
  if (part !== undefined && entries.get(path)?.flag === undefined) return `${given(all!)} ${part}`;
  // An element of a list has the list's flag.
  const [, list, at] = /^(.*)\[(\d+)\]$/.exec(path) ?? [];
  if (list !== undefined && entries.get(list)?.flag !== undefined) return `number ${Number(at) + 1} of ${given(list)}`;
  const entry = entries.get(path);
  return (entry === undefined ? undefined : (flagName(entry) ?? entry.variable)) ?? path;
}

/** Quoted as a shell wants it, where it must be. */
export function quoted(text: string): string {
  return /^[\w./:@%+=,…-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function spelled(path: string, value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (entries.get(path)?.typed === 'prompts')
      return Object.entries(value)
        .map(([name, text]) => quoted(`${name}=${String(text)}`))
        .join(' ');
    const settings = Object.entries(value).map(
      ([name, one]) => `${name}=${typeof one === 'number' ? `#${one}` : String(one)}`,
    );
    return quoted(settings.join(','));
  }
  const typed = entries.get(path)?.typed;
  if (typed === 'column' && typeof value === 'number') return quoted(`#${value}`);
  if (typed === 'bytes' && typeof value === 'number') return value % 1e6 === 0 ? `${value / 1e6}MB` : String(value);
  if (Array.isArray(value))
    return typed === 'texts' ? value.map((one) => quoted(String(one))).join(' ') : value.join(',');
  return quoted(String(value));
}

function typed(path: string, value: unknown): string {
  const name = given(path);
  if (!name.startsWith('--'))
    return `${name}=${typeof value === 'boolean' ? Number(value) : value === undefined ? '…' : spelled(path, value)}`;
  // As the help writes it: `--checkpoint <folder>`.
  if (/^--(loss-option|columns|keep-columns) /.test(name))
    return `${name}=${value === undefined ? '…' : spelled(path, value)}`;
  if (value === undefined) return (entries.get(path)?.flag ?? name).replace(/\[(.*)\]$/, '<$1>');
  if (typeof value === 'boolean') return value ? name.replace('--no-', '--') : name.replace(/^--(no-)?/, '--no-');
  return `${name} ${spelled(path, value)}`;
}

/** The words of the command line: options are flags, values are what is typed. */
export const cli: Surface = {
  side: 'cli',
  option: given,
  settings: (settings) => settings.map(({ path, value }) => typed(path, value)).join(' '),
};
