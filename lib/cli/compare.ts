import type { Command } from 'commander';
import type { ChangedRow, RowAnswer } from '../evaluate/changed-rows';
import { compare, type CompareOptions, type Comparison } from '../evaluate/compare';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import type { TextVectorisationOptions } from '../text-vectorisation-options';
import { isAddress, openAny, type AnyModel } from './any-model';
import { dataHelp } from './evaluate';
import { addFlags, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { comparedBy, measureName, notesOf, oneLine, shortNumber, unitsOf } from './measures';
import { fixed, integer, signed } from './numbers';
import { comparedFlags, compareFlags, sideFlags } from './tables';

interface Flags {
  json?: boolean;
}

/** `vectune compare <a> <b> <data>`: two models on the same rows; what differs by more than chance, and what it costs. */
export function registerCompare(program: Command): void {
  const command = program
    .command('compare')
    .description('Measure two models on the same data: differences with intervals, rows that changed, cost of a text.')
    .argument(
      '<a>',
      'the model to compare with: a name on the hub (owner/name@revision), a folder, or an address of /v1/embeddings (#name)',
    )
    .argument('<b>', 'the other model')
    .argument('<data>', dataHelp)
    .addHelpText('after', '\nA key for an address comes from VECTUNE_API_KEY, else OPENAI_API_KEY.');
  addFlags(command, comparedFlags);
  addFlags(command, sideFlags);
  addFlags(command, compareFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(a: string, b: string, data: string, flags: Flags, command: Command): Promise<void> {
  await interruptible(async (signal, onProgress, onLoad) => {
    const [first, second] = openBoth([a, b], command, onLoad);
    try {
      const given = typedOptions(command, compareFlags) as CompareOptions;
      const compared = await compare(first.model, second.model, data, { ...given, signal, onProgress });
      const notes = [...new Set([...compared.notes, ...(await first.notes()), ...(await second.notes())])];
      const found = { ...compared, notes };
      return flags.json ? `${JSON.stringify({ models: { a, b }, data, ...found })}\n` : describeComparison(a, b, found);
    } finally {
      await Promise.all([first.dispose(), second.dispose()]);
    }
  });
}

/** What both models are given goes to those that are opened here; one of them must be. */
function openBoth(
  named: readonly [string, string],
  command: Command,
  onProgress: NonNullable<TextVectorisationOptions['onProgress']>,
): [AnyModel, AnyModel] {
  const both = typedOptions(command, comparedFlags) as TextVectorisationOptions;
  const sides = typedOptions(command, sideFlags) as Partial<Record<'a' | 'b', TextVectorisationOptions>>;
  const [name] = Object.keys(both);
  if (name !== undefined && named.every(isAddress)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option(name)} is for models that are opened here, but both are addresses of servers.`,
      { remedy: say`Leave it out.` },
    );
  }
  const open = (side: 'a' | 'b'): AnyModel => {
    const [model, own = {}] = [named[side === 'a' ? 0 : 1], sides[side]];
    const paths = Object.fromEntries(Object.keys(own).map((one) => [one, `${side}.${one}`]));
    return openAny(model, isAddress(model) ? { ...own, onProgress } : { ...both, ...own, onProgress }, paths);
  };
  return [open('a'), open('b')];
}

export function describeComparison(a: string, b: string, found: Comparison): string {
  const { measures, confidence, primary, costs } = found;
  const names = [primary, ...Object.keys(measures).filter((name) => name !== primary)];
  const width = Math.max(...names.map((name) => measureName(name).length), 20) + 2;
  const head = confidence === null ? '' : `   ${shortNumber(100 * confidence)} % interval`;
  const lines = names.map((name) => {
    const { a: one, b: other, difference, interval, verdict } = measures[name]!;
    const bounds =
      interval === null ? '' : `   ${signed(interval.low).padStart(7)} … ${signed(interval.high).padStart(7)}`;
    return [
      measureName(name).padEnd(width),
      fixed(one).padStart(9),
      fixed(other).padStart(9),
      (difference === null ? '-' : signed(difference)).padStart(9),
      bounds,
      verdict === null ? '' : `   ${verdict}`,
    ].join('');
  });
  const cost = (name: string, of: (which: 'a' | 'b') => string): string =>
    `${name.padEnd(width)}${of('a').padStart(9)}${of('b').padStart(9)}`;
  return [
    `${integer(found.count)} ${unitsOf(found)}, ${comparedBy(found)}`,
    oneLine(found.understood, 500),
    `a: ${a}`,
    `b: ${b}`,
    '',
    `${' '.repeat(width)}${'a'.padStart(9)}${'b'.padStart(9)}${'b - a'.padStart(9)}${head}`,
    ...lines,
    '',
    cost('dimensions', (which) => String(costs[which].dimensions)),
    cost('milliseconds a text', (which) => shortNumber(Number((1000 * costs[which].secondsPerText).toPrecision(3)))),
    ...changes('better with b, most first', found.better),
    ...changes('worse with b, most first', found.worse),
    ...notesOf(found),
    '',
  ].join('\n');
}

function changes(title: string, rows: readonly ChangedRow[]): string[] {
  if (rows.length === 0) return [];
  const lines = rows.flatMap(({ row, change, texts, wanted, answers }) => {
    const told = texts.map((text) => oneLine(text, 60)).join('  |  ');
    const label =
      wanted === null || answers !== undefined
        ? ''
        : `  ${oneLine(typeof wanted === 'number' ? shortNumber(wanted) : wanted, 20)}`;
    const line = `  ${signed(change)}  row ${row}${label}  ${told}`;
    if (answers === undefined) return [line];
    const { a, b } = answers;
    return [
      line,
      `           wanted, at ${place(a)} with a, at ${place(b)} with b: ${wanted === null ? '-' : oneLine(String(wanted), 80)}`,
      `           first with a: ${a.first === null ? '-' : oneLine(a.first, 80)}`,
      `           first with b: ${b.first === null ? '-' : oneLine(b.first, 80)}`,
    ];
  });
  return ['', title, ...lines];
}

function place({ place: at }: RowAnswer): string {
  return at === null ? 'no place' : `place ${at}`;
}
