import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Command } from 'commander';
import { splitLines } from '../data/text/lines';
import { TextSource } from '../data/text/text-source';
import { ADDON_VERSION } from '../engine/load';
import { compared as comparedModels } from '../evaluate/compare';
import { evaluateDataTable, observe, openFor, type EvaluateDataOptions, type Measures } from '../evaluate/evaluate';
import type { Observation } from '../evaluate/evaluation';
import { lossWords } from '../finetune/losses/told';
import { cosinesOf, nearPairs } from '../report/closeness';
import { pageComparison } from '../report/comparison';
import { RunEvents } from '../report/events';
import { recordIn } from '../report/read';
import type { RunComparison, RunRecord } from '../report/record';
import { FileError, InvalidArgumentError } from '../system/errors';
import { resolveTable } from '../system/option-table';
import { isAddress, openAny } from './any-model';
import { dataHelp } from './evaluate';
import { addFlags, typedOptions } from './flags';
import { interruptible } from './interruptible';
import { writePage } from './run-page';
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
    .option('--data <file>', `rows that neither was trained on: ${dataHelp}`);
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
    const compared = flags.data === undefined ? null : await compareOn(flags, command, signal, onProgress, onLoad);
    const record = read(compared, flags);
    await writePage(target, record);
    return `${target}\n`;
  });
}

/** What a page shows of other rows than the run's. */
type Compared = Pick<RunRecord, 'closeness'> & { comparison: RunComparison };

type Progress = Parameters<Parameters<typeof interruptible>[0]>;

/** Both models on the data, one after the other. */
async function compareOn(
  { before, after, data }: Flags,
  command: Command,
  signal: AbortSignal,
  onProgress: Progress[1],
  onLoad: Progress[2],
): Promise<Compared> {
  const given = typedOptions(command, reportFlags) as EvaluateDataOptions;
  const options = resolveTable(evaluateDataTable, { ...given, signal, onProgress }, { name: 'report', path: '' });
  const set = await openFor(data!, undefined, options, given);
  const pairs = nearPairs(set);
  const named = [before!, after!];
  const both = typedOptions(command, comparedFlags);
  if (Object.keys(both).length > 0 && named.every(isAddress)) openAny(before!, both); // says which option is none of an address's
  const observations: Observation<Measures>[] = [];
  const near: { together: number[]; apart: number[] }[] = [];
  for (const one of named) {
    const { model, dispose } = openAny(one, { ...(isAddress(one) ? {} : both), onProgress: onLoad });
    try {
      const observation = await observe(model, set, options);
      observations.push(observation);
      if (pairs === null) continue;
      const { together, apart, roles } = pairs;
      near.push({
        together: await cosinesOf(together, roles, observation.embedder, signal),
        apart: await cosinesOf(apart, roles, observation.embedder, signal),
      });
    } finally {
      await dispose();
    }
  }
  const [first, second] = observations as [Observation<Measures>, Observation<Measures>];
  const found = await comparedModels(first, second, set, options);
  const comparison = await pageComparison(found, first, second, set, basename(data!), signal);
  const closeness =
    pairs === null || pairs.together.length < 2 || pairs.apart.length < 2
      ? null
      : [
          {
            together: { before: near[0]!.together, after: near[1]!.together },
            apart: { before: near[0]!.apart, after: near[1]!.apart },
            apartFrom: pairs.apartFrom,
            ...(pairs.togetherWith !== undefined && { togetherWith: pairs.togetherWith }),
          },
        ];
  return { comparison, closeness };
}

/** What makes the record of a log, or changes that of a report. */
async function readRun(path: string): Promise<(compared: Compared | null, flags: Flags) => RunRecord> {
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
    return (compared, { before, after }) =>
      events.record({
        model: events.model ?? before ?? 'a model',
        folder: after ?? null,
        surface: 'cli',
        comparison: compared?.comparison ?? null,
        closeness: [compared?.closeness ?? []].flat(),
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
  return (compared, { after }) => ({
    ...record,
    // What the page showed of the run's own rows is not of these.
    ...(compared !== null && { ...compared, changed: null, unshown: null }),
    ...(after !== undefined && { folder: after }),
  });
}

async function wholeText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: Error) => {
    throw new FileError('ERR_FILE', `${path} cannot be read: ${cause.message}.`, { cause, file: path });
  });
  return bytes.length > MOST_BYTES ? '' : bytes.toString('utf8');
}
