import type { Command } from 'commander';
import { listModels, type ListedModel } from '../model/list';

/** `vectune models`: what there is to begin with. */
export function registerModels(program: Command): void {
  program
    .command('models')
    .description('List the models that most use: size, languages, length, licence, prompts, what each is good for.')
    .option('--json', 'print the list as JSON')
    .option('--markdown', 'print a table for a document')
    .action(({ json, markdown }: { json?: boolean; markdown?: boolean }) => {
      const list = listModels();
      process.stdout.write(
        json ? `${JSON.stringify(list, null, 2)}\n` : markdown ? markdownTable(list) : describe(list),
      );
    });
}

const HEAD = ['model', 'parameters', 'vector', 'tokens', 'languages', 'licence', 'prompts', 'good for'];

function cells(model: ListedModel): string[] {
  const { id, parameters, dimension, maxInputLength, languages, license, prompts, goodFor } = model;
  return [
    id,
    `${(parameters / 1e6).toPrecision(parameters < 1e8 ? 2 : 3)} M`,
    String(dimension),
    Number.isFinite(maxInputLength) ? String(maxInputLength) : 'any',
    languages,
    license,
    Object.keys(prompts).join(', ') || '-',
    goodFor,
  ];
}

/** Columns of even width, those that run first. */
function describe(list: readonly ListedModel[]): string {
  const rows = list.map(cells);
  const widths = HEAD.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const part = (running: boolean): string[] => rows.filter((_, i) => list[i]!.runs === running).map(line);
  const not = part(false);
  return [
    line(HEAD),
    ...part(true),
    ...(not.length === 0 ? [] : ['', 'This version does not run these yet:', ...not]),
    '',
    'Next: npx vectune finetune <data> --model <model> --out <folder>',
    '',
  ].join('\n');
}

/** As it stands in docs/models.md. */
export function markdownTable(list: readonly ListedModel[]): string {
  const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`;
  const rows = list.map((model) => {
    const [id, ...rest] = cells(model);
    return line([`\`models.${model.name}\``, id!, ...rest, model.runs ? 'yes' : 'not yet']);
  });
  const head = ['constant', ...HEAD, 'runs'];
  return `${[line(head), line(head.map(() => '---')), ...rows].join('\n')}\n`;
}
