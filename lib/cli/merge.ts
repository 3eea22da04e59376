import type { Command } from 'commander';
import { checkSaveTarget } from '../model/save/save-target';
import { merge, type MergeOptions } from '../merge';
import { addFlags, toNumbers, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { shortNumber } from './measures';
import { quoted } from './surface';
import { mergeFlags } from './tables';

interface Flags {
  weights: number[];
  out: string;
  json?: boolean;
}

/** `vectune merge <models...> --weights 0.3,0.7 --out <folder>`: a model between several of one shape. */
export function registerMerge(program: Command): void {
  const command = program
    .command('merge')
    .description('Merge the weights of models that were fine-tuned from one, or of that one and a tuned one.')
    .argument('<models...>', 'at least two: names on the hub, or folders; the first gives everything but weights')
    .requiredOption('--weights <list>', 'a weight for each model, as 0.3,0.7; they are divided by their sum', toNumbers)
    .requiredOption('--out <folder>', 'where the merged model is saved; a model that is there is replaced');
  addFlags(command, mergeFlags).option('--json', 'print the result as JSON').action(run);
}

async function run(models: string[], flags: Flags, command: Command): Promise<void> {
  await checkSaveTarget(flags.out);
  await interruptible(async (signal, _, onProgress) => {
    const options = typedOptions(command, mergeFlags) as MergeOptions;
    const merged = await merge(models, flags.weights, { ...options, signal, onProgress });
    try {
      const folder = await merged.save(flags.out);
      const sum = flags.weights.reduce((all, one) => all + one, 0);
      const shares = flags.weights.map((weight) => weight / sum);
      const method = options.method ?? 'linear';
      if (flags.json)
        return `${JSON.stringify({ folder, method, models: models.map((model, i) => ({ model, share: shares[i] })) })}\n`;
      const lines = models.map((model, i) => `${shortNumber(shares[i]!).padEnd(10)}${model}`);
      return `${lines.join('\n')}\nmerged (${method}) and saved to ${folder}\n\nNext: npx vectune evaluate <data> --model ${quoted(folder)}\n`;
    } finally {
      await merged.dispose();
    }
  });
}
