import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { Command } from 'commander';
import { splitLines } from '../data/text/lines';
import { TextSource } from '../data/text/text-source';
import { ADDON_VERSION } from '../engine/load';
import { openDataSet, type DataSetOptions } from '../evaluate/data-set';
import { embedderOf } from '../evaluate/evaluation';
import { evaluateTable } from '../evaluate/options';
import { pairSimilarities } from '../evaluate/pairs';
import { lossWords } from '../finetune/losses/told';
import { compareRows } from '../report/comparison';
import { RunEvents } from '../report/events';
import { recordIn } from '../report/read';
import type { RunComparison, RunRecord } from '../report/record';
import { renderReport } from '../report/report';
import { FileError, InvalidArgumentError } from '../system/errors';
import { resolveTable } from '../system/option-table';
import { openAny } from './any-model';
import { interruptible } from './evaluate';
import { addFlags, typedOptions } from './flags';
import { Output } from './output';
import { comparedFlags, reportFlags } from './tables';

/** Largest report or record that is read whole. */
const MOST_BYTES = 256 * 2 ** 20;

interface Flags {
  out?: string;
  before?: string;
  after?: string;
  data?: string;
}

/**
 * `vectune report <run>`: one HTML file from the log of a run (`vectune finetune --log run.jsonl`), or anew from an
 * earlier report. With both models and data, what changed on its rows is in it too.
 */
export function registerReport(program: Command): void {
  const command = program
    .command('report')
    .description('Write a run as one HTML file: curves, what changed, the threshold to use.')
    .argument('<run>', 'the log of a run (finetune --log run.jsonl), or a report to make anew')
    .option('--out <file.html>', "where it is written (default: the run's name with .html)")
    .option('--before <id|folder|address>', 'the model that training began with')
    .option('--after <id|folder|address>', 'the tuned model')
    .option('--data <file>', 'rows of two texts with scores or labels that neither was trained on');
  addFlags(command, comparedFlags);
  addFlags(command, reportFlags).action(run);
}

async function run(path: string, flags: Flags, command: Command): Promise<void> {
  const given = [flags.before, flags.after, flags.data].filter((value) => value !== undefined);
  if (given.length !== 0 && given.length !== 3) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      '--before, --after and --data belong together; give all or none.',
    );
  }
  const target = flags.out ?? `${path.slice(0, path.length - extname(path).length)}.html`;
  const read = await readRun(path);
  await interruptible(async (signal, onProgress, onLoad) => {
    let comparison: RunComparison | null = null;
    if (flags.data !== undefined) {
      const { maxInputLength, ...reading } = typedOptions(command, reportFlags) as DataSetOptions & {
        maxInputLength?: number;
      };
      const set = await openDataSet(flags.data, { ...reading, onProgress, signal });
      if (set.form !== 'similarity' && set.form !== 'binary') {
        throw new InvalidArgumentError(
          'ERR_INVALID_OPTION',
          `A report compares rows of two texts with scores or labels, but ${flags.data} holds ${set.understood}. vectune compare takes every form.`,
        );
      }
      const rows = set.form === 'binary' ? set.rows.map((row) => ({ ...row, score: Number(row.label) })) : set.rows;
      const options = resolveTable(
        evaluateTable,
        { ...(maxInputLength !== undefined && { maxInputLength }), signal, onProgress },
        { name: 'report', path: '' },
      );
      const similarities = async (named: string): Promise<Float32Array> => {
        const { model, dispose } = openAny(named, { ...typedOptions(command, comparedFlags), onProgress: onLoad });
        try {
          const embedder = embedderOf(model, options);
          const found = await pairSimilarities(rows, ({ text1, text2 }) => [text1, text2], embedder, options);
          return found.get('cosine')!;
        } finally {
          await dispose();
        }
      };
      const before = await similarities(flags.before!);
      const after = await similarities(flags.after!);
      comparison = await compareRows({
        wanted: rows.map(({ score }) => score),
        before,
        after,
        texts: (row) => [rows[row]!.text1, rows[row]!.text2],
        intervals: options.intervals,
        signal,
      });
    }
    const record = read(comparison, flags);
    const output = await Output.open(target);
    try {
      await output.write(renderReport(record));
      await output.finish();
    } finally {
      await output.release();
    }
    return `${target}\n`;
  });
}

/** What makes the record of a log, or changes that of a report. */
async function readRun(path: string): Promise<(comparison: RunComparison | null, flags: Flags) => RunRecord> {
  const source = await TextSource.open(path, path, {});
  const events = new RunEvents(lossWords);
  let isLog = true;
  let lines = 0;
  for await (const piece of splitLines(source.pieces())) {
    for (const { text } of piece) {
      if (text.trim() === '') continue;
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        isLog = false;
        break;
      }
      ++lines;
      events.note(value);
    }
    if (!isLog) break;
  }
  if (isLog && events.any) {
    return (comparison, { before, after }) =>
      events.record({
        model: before ?? events.model ?? 'a model',
        folder: after ?? null,
        comparison,
        versions: { vectune: ADDON_VERSION, 'Node.js': process.versions.node },
        created: new Date(),
      });
  }
  const record = isLog && lines > 1 ? undefined : recordIn(await wholeText(path));
  if (record === undefined) {
    throw new InvalidArgumentError(
      'ERR_DATA_FILE',
      `${path} is neither the log of a run (vectune finetune … --log run.jsonl) nor a report of vectune's.`,
      { file: path },
    );
  }
  return (comparison) => ({ ...record, comparison: comparison ?? record.comparison });
}

async function wholeText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new FileError('ERR_FILE', `${path} cannot be read: ${cause.message}.`, { cause, file: path });
  });
  return bytes.length > MOST_BYTES ? '' : bytes.toString('utf8');
}
