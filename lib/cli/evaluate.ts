import type { Command } from 'commander';
import { evaluate, type DataEvaluation, type EvaluateDataOptions } from '../evaluate/evaluate';
import { openAny } from './any-model';
import { addFlags, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { comparedBy, measureName, notesOf, oneLine, shortNumber, unitsOf } from './measures';
import { fixed, integer } from './numbers';
import { evaluateFlags, modelFlags } from './tables';
import { requireFlags } from './usage';

export const dataHelp =
  'rows of two texts with scores or labels 0/1, questions with answers, triplets, texts with classes, or whatever else is trained on; a BEIR folder; hub:owner/name';

interface Flags {
  model: string;
  json?: boolean;
}

/**
 * `vectune evaluate <data> --model <id|folder|address>`: the measures that the form of the data asks for, with intervals;
 * progress on stderr, the result on stdout.
 */
export function registerEvaluate(program: Command): void {
  const command = program
    .command('evaluate')
    .description('Measure a model on data, by the measures that its form asks for.')
    .argument('<data>', dataHelp)
    .option('--model <id|folder|address>', 'a name on the hub, a folder, or an address of /v1/embeddings')
    .addHelpText('after', '\nA key for an address comes from VECTUNE_API_KEY, else OPENAI_API_KEY.');
  requireFlags(command, 'model');
  addFlags(command, modelFlags);
  addFlags(command, evaluateFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(data: string, flags: Flags, command: Command): Promise<void> {
  await interruptible(async (signal, onProgress, onLoad) => {
    const { model, notes, dispose } = openAny(flags.model, {
      ...typedOptions(command, modelFlags),
      onProgress: onLoad,
    });
    try {
      const options = typedOptions(command, evaluateFlags) as EvaluateDataOptions;
      const evaluated = await evaluate(model, data, { ...options, signal, onProgress });
      const found = { ...evaluated, notes: [...evaluated.notes, ...(await notes())] };
      return flags.json ? `${JSON.stringify({ model: flags.model, data, ...found })}\n` : describe(flags.model, found);
    } finally {
      await dispose();
    }
  });
}

/** The measures, a line each, the one to go by first. */
export function describe(model: string, found: DataEvaluation): string {
  const { metrics, intervals, confidence, primary } = found;
  const names = [primary, ...Object.keys(metrics).filter((name) => name !== primary)];
  const width = Math.max(...names.map((name) => measureName(name).length)) + 2;
  const head = confidence === null ? '' : `   ${shortNumber(100 * confidence)} % interval`;
  const lines = names.map((name) => {
    const interval = intervals?.[name];
    const bounds = interval ? `   ${fixed(interval.low)} … ${fixed(interval.high)}` : '';
    return `${measureName(name).padEnd(width)}${fixed(metrics[name] ?? null).padStart(8)}${bounds}`;
  });
  return [
    `${integer(found.count)} ${unitsOf(found)}: ${model}, ${comparedBy(found)}, ${found.dimensions} dimensions`,
    oneLine(found.understood, 500),
    '',
    `${' '.repeat(width)}${'value'.padStart(8)}${head}`,
    ...lines,
    ...notesOf(found),
    '',
  ].join('\n');
}
