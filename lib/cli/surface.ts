import type { Surface } from '../system/wording';

/** The flag of each option that has one, by the option's path. `--no-…` gives false. */
const flags: Record<string, string> = {
  'file.columns.text1': '--text1',
  'file.columns.text2': '--text2',
  'file.columns.score': '--score',
  'file.format': '--format',
  'file.header': '--no-header',
  'file.quoting': '--no-quoting',
  'file.scoreRange': '--score-range',
  'file.encoding': '--encoding',
  earlyStopping: '--no-early-stopping',
  'earlyStopping.patience': '--patience',
  'earlyStopping.minDelta': '--min-delta',
  'checkpoint.folder': '--checkpoint',
  'checkpoint.everySteps': '--checkpoint-steps',
  'checkpoint.everyMinutes': '--checkpoint-minutes',
  'checkpoint.keep': '--checkpoint-keep',
  'checkpoint.keepBest': '--checkpoint-best',
  shuffle: '--no-shuffle',
};

function flagOf(path: string): string {
  return flags[path] ?? `--${path.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Quoted as a shell wants it, where it must be. */
function quoted(text: string): string {
  return /^[\w./:@%+=,#…<>-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function typed(path: string, value: unknown): string {
  const flag = flagOf(path);
  if (value === undefined) return `${flag} …`;
  if (typeof value === 'boolean') return value ? flag.replace('--no-', '--') : flag.replace(/^--(no-)?/, '--no-');
  if (typeof value === 'number' && path.startsWith('file.columns.')) return `${flag} '#${value}'`;
  return `${flag} ${quoted(Array.isArray(value) ? value.join(',') : String(value))}`;
}

/** The words of the command line: options are flags, values are what is typed. */
export const cli: Surface = {
  side: 'cli',
  option: flagOf,
  settings: (settings) => settings.map(({ path, value }) => typed(path, value)).join(' '),
};
