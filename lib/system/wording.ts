import { inspect } from 'node:util';

/*
 * Messages that name options in the words of whoever reads them: a program's author reads `file.scoreRange` and
 * `{ file: { scoreRange: [0, 5] } }`, who typed a command reads `--score-range` and `--score-range 0,5`.
 *
 *   throw new InvalidArgumentError(
 *     'ERR_SCORE_RANGE',
 *     say`A score must be a number from ${low} to ${high}, but that of ${file}, row ${row}, is ${show(value)}.`,
 *     { row, file, remedy: say`If the scores go further, say so with ${option('file.scoreRange', [0, 5])}.` },
 *   );
 *
 * What was expected and what was found is the message, what to do next the `remedy`; the error's text is both. In the
 * backticks stand texts and numbers as they are, other `say`s, and:
 *
 *   option('epochs')                        epochs                                --epochs
 *   option('epochs', 5)                     { epochs: 5 }                         --epochs 5
 *   options({ 'file.columns.text1': 'q',    { file: { columns: { text1: 'q',      --text1 q --text2 a
 *             'file.columns.text2': 'a' })    text2: 'a' } } }
 *   placeholder as a value                  { epochs: … }                         --epochs <n>
 *   words('save', '--out')                  save                                  --out
 *   command('doctor')                       npx vectune doctor                    npx vectune doctor
 *
 * A path is the option's full one as in `finetune` (options of a data file begin with `file.`; readRows and streamRows,
 * which take those directly, leave that away by `reword`). An option that no flag gives needs `words`. Plain strings go
 * on working for messages that name no option.
 */

/** An option, by its path from the options' object: `epochs`, `file.columns.text1`. */
export interface OptionMention {
  /** Tells it from the other parts. */
  type: 'option';
  /** The option's path. */
  path: string;
}

/** An option and the value to give it. */
export interface Setting {
  /** The option's path. */
  path: string;
  /** `undefined` stands for a value that the reader knows. */
  value: unknown;
}

/** Options with the values to give them. */
export interface SettingsMention {
  /** Tells it from the other parts. */
  type: 'settings';
  /** The options, in the order in which they are named. */
  settings: readonly Setting[];
}

/** A command of vectune's to type. */
export interface CommandMention {
  /** Tells it from the other parts. */
  type: 'command';
  /** What follows `npx vectune`. */
  command: string;
}

/** What has another name in a program than on the command line. */
export interface WordsMention {
  /** Tells it from the other parts. */
  type: 'words';
  /** In a program. */
  api: Wording;
  /** On the command line. */
  cli: Wording;
}

/** A piece of a message: text as it is, or something that a program and the command line name differently. */
export type WordingPart = string | OptionMention | SettingsMention | CommandMention | WordsMention;

/** A message in pieces, to be joined as they stand. */
export type Wording = readonly WordingPart[];

/** Where messages are read, and how options are given there. */
export interface Surface {
  /** Which of the two words of a `WordsMention` is meant. */
  readonly side: 'api' | 'cli';
  option(path: string): string;
  settings(settings: readonly Setting[]): string;
}

/** A value that the reader knows and we do not. */
export const placeholder = undefined;

/** The pieces of a message; see the top of this file. */
export function say(texts: TemplateStringsArray, ...values: readonly (Wording | WordingPart | number)[]): Wording {
  const parts: WordingPart[] = [];
  texts.forEach((text, i) => {
    if (text !== '') parts.push(text);
    if (i < values.length) parts.push(...wording(values[i]!));
  });
  return parts;
}

/** The name of an option; with a value, what gives it that value. */
export function option(path: string, ...value: [unknown?]): OptionMention | SettingsMention {
  return value.length === 0 ? { type: 'option', path } : { type: 'settings', settings: [{ path, value: value[0] }] };
}

/** What gives several options their values. */
export function options(values: Record<string, unknown>): SettingsMention {
  return { type: 'settings', settings: Object.entries(values).map(([path, value]) => ({ path, value })) };
}

export function command(typed: string): CommandMention {
  return { type: 'command', command: typed };
}

/** Words of a program, and those of the command line; '' says nothing there. */
export function words(api: string | Wording, cli: string | Wording): WordsMention {
  return { type: 'words', api: wording(api), cli: wording(cli) };
}

/** A text that names options by their paths, as from native code: each name becomes a mention. */
export function mentioning(text: string, ...paths: readonly string[]): Wording {
  const names = new RegExp(`\\b(${paths.map((path) => path.replaceAll('.', '\\.')).join('|')})\\b`);
  return text
    .split(names)
    .filter((part) => part !== '')
    .map((part) => (paths.includes(part) ? option(part) : part));
}

/** Gives a mention of options in place of another. */
export type MentionChange = (mention: OptionMention | SettingsMention) => OptionMention | SettingsMention;

/** The same message with every mention of options changed. */
export function remention(message: Wording, change: MentionChange): Wording {
  return message.map((part) => {
    if (typeof part === 'string') return part;
    if (part.type === 'option' || part.type === 'settings') return change(part);
    return part.type === 'words'
      ? { ...part, api: remention(part.api, change), cli: remention(part.cli, change) }
      : part;
  });
}

function wording(value: Wording | WordingPart | number): Wording {
  if (Array.isArray(value)) return value as Wording;
  return [typeof value === 'number' ? String(value) : (value as WordingPart)];
}

/** The message as its reader on this surface reads it. */
export function render(message: string | Wording, surface: Surface): string {
  if (typeof message === 'string') return message;
  return message
    .map((part) => {
      if (typeof part === 'string') return part;
      switch (part.type) {
        case 'option':
          return surface.option(part.path);
        case 'settings':
          return surface.settings(part.settings);
        case 'command':
          return `npx vectune ${part.command}`;
        case 'words':
          return render(part[surface.side], surface);
      }
    })
    .join('');
}

interface Tree {
  [name: string]: Tree | { leaf: unknown };
}

/** Code that gives the value; one that is long is left to the reader. */
function literal(value: unknown): string {
  const simple = (one: unknown) => typeof one !== 'object' || one === null;
  const text =
    Array.isArray(value) && value.every(simple)
      ? `[${value.map((one) => inspect(one)).join(', ')}]`
      : inspect(value, { depth: 1, breakLength: Infinity });
  return value === placeholder || text.length > 60 ? '…' : text;
}

function code(tree: Tree): string {
  const members = Object.entries(tree).map(([name, value]) => {
    if (!('leaf' in value)) return `${name}: ${code(value as Tree)}`;
    return `${name}: ${literal(value.leaf)}`;
  });
  return `{ ${members.join(', ')} }`;
}

/** A program's words; `within` is the path of the object that the caller passes as options. */
function program(within: string): Surface {
  const local = (path: string) =>
    within !== '' && path.startsWith(`${within}.`) ? path.slice(within.length + 1) : path;
  return {
    side: 'api',
    option: local,
    settings(settings) {
      const root: Tree = {};
      for (const { path, value } of settings) {
        const names = local(path).split('.');
        let tree = root;
        for (const name of names.slice(0, -1)) tree = (tree[name] ??= {}) as Tree;
        tree[names.at(-1)!] = { leaf: value };
      }
      return code(root);
    },
  };
}

/** The words of a program: options by their path, values as code. */
export const api = program('');
/** The words of a program that calls readRows or streamRows, whose options are those that `finetune` has in `file`. */
export const rows = program('file');
