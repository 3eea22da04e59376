import { extname } from 'node:path';
import type { Command } from 'commander';
import { isBeir } from '../data/formats/beir';
import { readTexts } from '../data/texts';
import { mineHardNegatives, type MinedRow } from '../mine/hard-negatives';
import type { MineOptions } from '../mine/options';
import type { MineReport, ScoreStatistics } from '../mine/report';
import { InvalidArgumentError } from '../system/errors';
import { openAny } from './any-model';
import { EvaluateDisplay } from './evaluate-display';
import { addFlags, flagName, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { shortNumber } from './measures';
import { fixed, integer } from './numbers';
import { Output } from './output';
import { entries, mineFlags, modelFlags } from './tables';
import { requireFlags } from './usage';

interface Flags {
  model: string;
  out?: string;
  corpus?: string;
}

/** Rows that are written at once. */
const ROWS_AT_ONCE = 1000;

/**
 * `vectune mine <data> --model <id|folder|address>`: the mined rows to a file (CSV, TSV or JSON Lines by its extension, whole
 * or not there) or as JSON Lines to the standard output; progress, and what was found and dropped, on stderr.
 */
export function registerMine(program: Command): void {
  const command = program
    .command('mine')
    .description('Find hard negatives for pairs of a text and one that belongs to it, as rows to train on.')
    .argument(
      '<data>',
      'rows of an anchor and a positive, rows with label 0/1 (those with 1 are used), a BEIR folder (whose corpus is searched), or hub:owner/name',
    )
    .option('--model <id|folder|address>', 'a name on the hub, a folder, or an address of /v1/embeddings')
    .option(
      '--out <file>',
      'a .csv, .tsv or .jsonl; it appears when all is done (default: JSON Lines to the standard output)',
    )
    .option(
      '--corpus <file>',
      'more texts that may be negatives: one in each line, .jsonl with strings or members "text"; of a BEIR folder in place of its corpus',
    );
  requireFlags(command, 'model');
  addFlags(command, modelFlags);
  addFlags(command, mineFlags).action(mine);
}

async function mine(data: string, flags: Flags, command: Command): Promise<void> {
  const write = writerFor(flags.out);
  const display = new EvaluateDisplay(process.stderr, { text: 'texts', query: 'anchors', document: 'texts' });
  await interruptible(async (signal, onProgress, onLoad) => {
    const { model, dispose } = openAny(flags.model, { ...typedOptions(command, modelFlags), onProgress: onLoad });
    let output: Output | undefined;
    try {
      output = await Output.open(flags.out);
      const { rows, report } = await mineHardNegatives(model, data, {
        ...(typedOptions(command, mineFlags) as MineOptions),
        ...(flags.corpus !== undefined && { corpus: textsOf(flags.corpus, await isBeir(data), signal) }),
        signal,
        onProgress,
      });
      display.end();
      const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
      let reading = await output.write(write.head(columns));
      for (let from = 0; reading && from < rows.length; from += ROWS_AT_ONCE) {
        reading = await output.write(
          rows
            .slice(from, from + ROWS_AT_ONCE)
            .map((row) => write.row(row, columns))
            .join(''),
        );
      }
      await output.finish();
      process.stderr.write(describeMining(report, flags.out));
      return '';
    } finally {
      await output?.release();
      await dispose();
    }
  }, display);
}

/** @param titles whether the positives have them, as those of a BEIR folder: a text must be the same to be known as one */
async function* textsOf(file: string, titles: boolean, signal: AbortSignal): AsyncGenerator<string, void> {
  const json = /\.(jsonl|ndjson)(\.gz)?$/i.test(file);
  for await (const texts of readTexts(file, { json, titles, encoding: undefined, signal })) yield* texts;
}

interface RowWriter {
  head(columns: readonly string[]): string;
  row(row: MinedRow, columns: readonly string[]): string;
}

const jsonLines: RowWriter = { head: () => '', row: (row) => `${JSON.stringify(row)}\n` };

/** Cells in quotes where they must be; lists are JSON. */
function delimited(delimiter: string): RowWriter {
  const cell = (value: MinedRow[string] | undefined): string => {
    const text = value === undefined ? '' : Array.isArray(value) ? JSON.stringify(value) : String(value);
    return text.includes(delimiter) || /["\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = (values: readonly (MinedRow[string] | undefined)[]) => `${values.map(cell).join(delimiter)}\n`;
  return { head: line, row: (row, columns) => line(columns.map((column) => row[column])) };
}

function writerFor(file: string | undefined): RowWriter {
  const extension = file === undefined ? '.jsonl' : extname(file).toLowerCase();
  switch (extension) {
    case '.csv':
      return delimited(',');
    case '.tsv':
      return delimited('\t');
    case '.jsonl':
    case '.ndjson':
      return jsonLines;
    default:
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `--out must end in .csv, .tsv or .jsonl, which says what is written, but is ${file!}.`,
      );
  }
}

/** What was found and what was dropped, and why. */
function describeMining(report: MineReport, out: string | undefined): string {
  const { pairs, anchors, corpus, rows, positive, negative, difference, dropped, missing, possible, notes } = report;
  const line = (name: string, ...cells: string[]) =>
    `${name.padEnd(8)}${cells.map((cell) => cell.padStart(12)).join('')}`;
  const measure = (name: string, of: (scores: ScoreStatistics) => number | null) =>
    line(name, fixed(of(positive)), fixed(of(negative)), fixed(of(difference)));
  const percent = (part: number) => `${(100 * part).toFixed(2)} %`;
  const drops = dropped.map(
    ({ option, value, count, share }) =>
      `${integer(count)} candidates (${percent(share)}) were dropped by ${flagName(entries.get(option)!)} ${shortNumber(value)}.`,
  );
  const few =
    missing === 0
      ? []
      : [
          `There were not enough negatives for ${integer(missing)} of ${integer(possible)} rows (${percent(missing / possible)}). More are found with a larger --range-max${dropped.length > 0 ? `, or with another ${dropped.map(({ option }) => flagName(entries.get(option)!)).join(' or ')}` : ''}.`,
        ];
  return [
    `${integer(pairs)} pairs, ${integer(anchors)} anchors, ${integer(corpus)} texts searched, the ${integer(report.rangeMax)} most similar looked at`,
    ...notes,
    '',
    line('', 'positive', 'negative', 'difference'),
    line('count', integer(positive.count), integer(negative.count)),
    measure('mean', ({ mean }) => mean),
    measure('median', ({ median }) => median),
    measure('std', ({ std }) => std),
    measure('min', ({ min }) => min),
    measure('25 %', ({ quartile1 }) => quartile1),
    measure('50 %', ({ quartile2 }) => quartile2),
    measure('75 %', ({ quartile3 }) => quartile3),
    measure('max', ({ max }) => max),
    '',
    ...drops,
    ...few,
    `${integer(rows)} rows${out === undefined ? '' : `: ${out}`}`,
    '',
  ].join('\n');
}
