import { basename } from 'node:path';
import type { Command } from 'commander';
import { AbortError, FileError, InvalidArgumentError, messageFor, VectuneError } from '../system/errors';
import type { FinetuneEvent } from '../finetune/events';
import { KeptEpoch } from '../finetune/kept';
import type { FinetuneOptions } from '../finetune/options';
import type { LossChoice } from '../finetune/losses/choice';
import type { FinetuneReport } from '../finetune/report';
import type { DataSets } from '../finetune/sets/options';
import { checkSaveTarget } from '../model/save/save-target';
import { TextVectorisation } from '../text-vectorisation';
import { EventLog } from './event-log';
import { addFlags, toLossOption, toSeconds, toSetLoss, typedOptions } from './flags';
import { DownloadDisplay } from './download-display';
import { FinetuneDisplay } from './finetune-display';
import { tellFolder } from './run-page';
import { saveModel } from './save-model';
import { StopSignals } from './stop-signals';
import { cli, quoted } from './surface';
import { comparison, thresholds } from './table';
import { finetuneFlags } from './tables';
import { requireFlags } from './usage';

/** Flags that are the command's own, and the options that it looks at itself. */
interface Flags {
  model: string;
  out: string;
  json?: boolean;
  log?: string;
  logEvery?: number;
  checkpoint?: string;
  device?: string;
  memoryFraction?: number;
  loss?: string | Record<string, unknown>;
  lossOption?: Record<string, unknown>;
  setLoss?: Record<string, string | Record<string, unknown>>;
}

/**
 * `vectune finetune <file> --model <id|folder> --out <folder>`: progress on stderr, the result on stdout. Ctrl-C,
 * SIGTERM and SIGHUP stop within one step and save what the finished epochs made better, if anything; a second one ends the
 * process at once. A run that fails saves that too.
 */
export function registerFinetune(program: Command): void {
  const command = program
    .command('finetune')
    .description('Fine-tune a model on texts that belong together or do not, and save it.')
    .argument(
      '<files...>',
      'rows of two texts and a score, of a question, its answer and others, of a text and its class, …: .csv, .tsv, .jsonl, .json or .parquet, text also as .gz; a BEIR folder; or hub:owner/name. Several are trained on together, each with a loss of its own',
    )
    .option('--model <id|folder>', 'model to start from: a name on the hub, or a folder')
    .option('--out <folder>', 'where the tuned model is saved; a model that is there is replaced');
  requireFlags(command, 'model', 'out');
  addFlags(command, finetuneFlags)
    .option('--loss-option <name=value>', 'an option of --loss, as scale=30; may be given several times', toLossOption)
    .option(
      '--set-loss <file=loss>',
      'several files: the loss of one, by its name without folder and extension; may be given several times',
      toSetLoss,
    )
    .option(
      '--log-every <seconds>',
      'without a terminal: a line of progress every so many seconds (default: 10)',
      toSeconds,
    )
    .option('--log <file.jsonl>', 'append every event of the run to a file, as JSON Lines')
    .option('--json', 'print the report as JSON')
    .action(finetune);
}

async function finetune(files: string[], flags: Flags, command: Command): Promise<void> {
  const { revision, ...typed } = typedOptions(command, finetuneFlags) as FinetuneOptions & { revision?: string };
  const options = { ...typed, ...lossOf(flags) };
  const data = files.length === 1 ? oneFile(files[0]!, flags) : setsOf(files, flags);
  // Before hours of training, not after them.
  await checkSaveTarget(flags.out);
  const log = new EventLog(flags.log);
  const download = new DownloadDisplay();
  const display = new FinetuneDisplay(process.stderr, flags.logEvery);
  const stop = new StopSignals();
  const tv = new TextVectorisation(flags.model, {
    ...given({ device: flags.device, memoryFraction: flags.memoryFraction, revision }),
    onProgress: (event) => download.show(event),
  });
  const kept = new KeptEpoch();
  let trained = false;
  let resumable = false;
  let page: string | undefined;
  /** The page says where the model is; the run itself does not know. */
  const tellPage = async (folder: string | null): Promise<void> => {
    if (page === undefined) return;
    await tellFolder(page, folder).catch((failure: Error) =>
      process.stderr.write(`${page} does not tell the model's folder: ${failure.message}\n`),
    );
  };
  const onProgress = (event: FinetuneEvent): void => {
    download.end();
    kept.note(event);
    log.note(event);
    if (event.type === 'report') page = event.file;
    if (event.type === 'checkpoint' || (event.type === 'restored' && event.from !== null)) resumable = true;
    display.show(event);
  };
  try {
    const report = await tv.finetune(data, { ...options, signal: stop.signal, onProgress });
    trained = true;
    display.end();
    // Whatever comes of the saving, what was measured is told.
    const saved = await saveModel(tv, flags.out).catch((failure: Error) => ({ folder: null, failure }));
    await tellPage(saved.failure === null ? flags.out : saved.folder);
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : describe(report, saved.folder));
    if (saved.failure !== null) throw elsewhere(saved.folder, saved.failure);
  } catch (error) {
    display.end();
    const stopped = stop.signal.aborted && error instanceof AbortError;
    if (stopped) process.exitCode = stop.exitCode;
    // The weights are saved already, or cannot be.
    if (trained) throw error;
    if (flags.checkpoint !== undefined && resumable)
      process.stderr.write('the same command with --resume goes on from the last checkpoint\n');
    const ended = stopped ? 'stopped' : 'the run failed';
    if (kept.epoch > 0) {
      const { folder, failure } = await saveModel(tv, flags.out);
      await tellPage(failure === null ? flags.out : folder);
      process.stderr.write(`${ended}: the weights of epoch ${kept.epoch} are saved to ${folder}\n`);
      if (failure !== null) process.stderr.write(`not to ${flags.out}: ${told(failure)}\n`);
    } else await tellPage(null);
    if (kept.epoch === 0 && stopped)
      process.stderr.write('stopped: no epoch has made the model better yet, so nothing is saved\n');
    if (!stopped) throw error;
  } finally {
    stop.release();
    download.end();
    display.end();
    log.close();
    await tv.dispose();
  }
}

/** The loss with its options, where some were typed. */
function lossOf({ loss, lossOption }: Flags): FinetuneOptions {
  if (lossOption === undefined) return {};
  if (loss === undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      '--loss-option needs --loss, which says whose options they are.',
    );
  }
  if (typeof loss !== 'string') {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      '--loss-option is for a --loss that is given by its name. Give its options in the JSON.',
    );
  }
  return { loss: { name: loss, ...lossOption } as never };
}

function oneFile(file: string, { setLoss }: Flags): string {
  if (setLoss === undefined) return file;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    '--set-loss is for one of several files, but there is one. Give its loss as --loss.',
  );
}

/** Several files as data sets of their names. */
function setsOf(files: readonly string[], { setLoss = {} }: Flags): DataSets {
  const sets: Record<string, { data: string; loss?: LossChoice }> = {};
  for (const file of files) {
    const name = basename(file).replace(/(?:\.(?:csv|tsv|tab|jsonl|ndjson|json|parquet|txt|gz))+$/i, '');
    if (Object.hasOwn(sets, name)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `${sets[name]!.data} and ${file} would both be the data set "${name}". Rename one of them.`,
      );
    }
    // Whether there is such a loss the library says.
    sets[name] = { data: file, ...(Object.hasOwn(setLoss, name) && { loss: setLoss[name] as LossChoice }) };
  }
  const unknown = Object.keys(setLoss).find((name) => !Object.hasOwn(sets, name));
  if (unknown === undefined) return sets;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    `--set-loss names "${unknown}", but the files are ${Object.keys(sets).join(', ')}.`,
  );
}

function told(failure: Error): string {
  return failure instanceof VectuneError ? messageFor(failure, cli) : failure.message;
}

/** The failure to save where it was asked for, with where the model is instead. */
function elsewhere(folder: string | null, failure: Error): Error {
  if (folder === null || !(failure instanceof VectuneError)) return failure;
  return new FileError('ERR_FILE', `${told(failure)} The model is saved to ${folder} instead.`, { cause: failure });
}

function describe(report: FinetuneReport, folder: string | null): string {
  const { before, after, rows, crossCheck } = report;
  const measured = crossCheck === null ? `${rows.validation} validation rows` : `${crossCheck.rows} rows, none seen`;
  const table =
    before === null || after === null
      ? 'Nothing was measured: there were no validation rows.'
      : `${comparison(measured, before, after, report)}\n${thresholds(after)}`.trimEnd();
  return `\n${table}\n${folder === null ? '' : `\nsaved to ${folder}\n\n${next(folder)}`}`;
}

/** What to type next. */
function next(folder: string): string {
  return `Next: npx vectune embed --model ${quoted(folder)} "a text" "another text"\n`;
}

/** Without the names that have no value. Values are checked where they are used: by the library. */
function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
