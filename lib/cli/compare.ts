import type { Command } from 'commander';
import { compare, type ChangedRow, type Comparison } from '../evaluate/compare';
import type { EvaluateDataOptions } from '../evaluate/evaluate';
import { openAny } from './any-model';
import { dataHelp, interruptible } from './evaluate';
import { addFlags, typedOptions } from './flags';
import { measureName, notesOf, oneLine, shortNumber, unitsOf } from './measures';
import { fixed, integer, signed } from './numbers';
import { comparedFlags, evaluateFlags } from './tables';

interface Flags {
  json?: boolean;
}

/** `vectune compare <a> <b> <data>`: two models on the same rows; what differs by more than chance, and what it costs. */
export function registerCompare(program: Command): void {
  const command = program
    .command('compare')
    .description('Measure two models on the same data: differences with intervals, rows that changed, cost of a text.')
    .argument('<a>', 'the model to compare with: a name on the hub, a folder, or an address of /v1/embeddings (#name)')
    .argument('<b>', 'the other model')
    .argument('<data>', dataHelp)
    .addHelpText('after', '\nA key for an address comes from VECTUNE_API_KEY, else OPENAI_API_KEY.');
  addFlags(command, comparedFlags);
  addFlags(command, evaluateFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(a: string, b: string, data: string, flags: Flags, command: Command): Promise<void> {
  await interruptible(async (signal, onProgress, onLoad) => {
    const options = { ...typedOptions(command, comparedFlags), onProgress: onLoad };
    const [first, second] = [openAny(a, options), openAny(b, options)];
    try {
      const given = typedOptions(command, evaluateFlags) as EvaluateDataOptions;
      const found = await compare(first.model, second.model, data, { ...given, signal, onProgress });
      return flags.json ? `${JSON.stringify({ models: { a, b }, data, ...found })}\n` : describeComparison(a, b, found);
    } finally {
      await Promise.all([first.dispose(), second.dispose()]);
    }
  });
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
    `${integer(found.count)} ${unitsOf(found)}, ${found.similarity}`,
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
  const lines = rows.map(({ row, change, texts, wanted }) => {
    const told = texts.map((text) => oneLine(text, 60)).join('  |  ');
    const label = wanted === null ? '' : `  ${oneLine(typeof wanted === 'number' ? shortNumber(wanted) : wanted, 20)}`;
    return `  ${signed(change)}  row ${row}${label}  ${told}`;
  });
  return ['', title, ...lines];
}
