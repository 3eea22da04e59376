import { InvalidArgumentError as NotANumber, Option, type Command } from 'commander';
import type { CheckpointOptions } from '../finetune/checkpoint/options';
import type { DataFormat, ReadOptions } from '../data/read-options';
import { AbortError, FileError, InvalidArgumentError, VectuneError } from '../system/errors';
import type { FinetuneEvent } from '../finetune/events';
import { KeptEpoch } from '../finetune/kept';
import type { FinetuneOptions } from '../finetune/options';
import type { FinetuneReport } from '../finetune/report';
import { checkSaveTarget } from '../model/save/save-target';
import { TextVectorisation } from '../text-vectorisation';
import { DownloadDisplay, FinetuneDisplay } from './progress';
import { saveModel } from './save-model';
import { StopSignals } from './stop-signals';
import { comparison } from './table';

interface Flags {
  model: string;
  out: string;
  json?: boolean;
  maxInputLength?: number;
  validationSplit?: number;
  epochs?: number;
  batchSize?: number | 'auto';
  effectiveBatchSize?: number;
  earlyStopping: boolean;
  patience?: number;
  minDelta?: number;
  learningRate?: number;
  schedule?: string;
  warmupSteps?: number;
  warmupRatio?: number;
  optimizer?: string;
  maxGradientNorm?: number;
  freeze?: string[];
  shuffle: boolean;
  dropout?: number;
  precision?: string;
  seed?: number;
  memoryLimit?: number;
  device?: string;
  memoryFraction?: number;
  checkpoint?: string;
  checkpointSteps?: number;
  checkpointMinutes?: number;
  checkpointKeep?: number;
  checkpointBest?: boolean;
  resume?: boolean | string;
  allowInexact?: boolean;
  allowConstantScores?: boolean;
  format?: string;
  text1?: string;
  text2?: string;
  score?: string;
  header?: boolean;
  quoting: boolean;
  scoreRange?: [number, number];
}

/**
 * `vectune finetune <file> --model <id|folder> --out <folder>`: progress on stderr, the result on stdout. Ctrl-C,
 * SIGTERM and SIGHUP stop within one step and save what the finished epochs made better, if anything; a second one ends the
 * process at once. A run that fails saves that too.
 */
export function registerFinetune(program: Command): void {
  program
    .command('finetune')
    .description('Fine-tune a model on a file of text pairs with scores, and save it.')
    .argument('<file>', 'rows of two texts and a score: .csv, .tsv, .jsonl or .parquet')
    .requiredOption('--model <id|folder>', 'model to start from: a name on the hub, or a folder')
    .requiredOption('--out <folder>', 'where the tuned model is saved; a model that is there is replaced')
    .option('--max-input-length <tokens>', "most tokens of a text (default: the model's own limit)", toNumber)
    .option('--epochs <n>', 'passes over the training rows, at most (default: 20)', toNumber)
    .option('--learning-rate <rate>', 'peak learning rate (default: 2e-5)', toNumber)
    .option('--validation-split <share>', 'share of the rows kept for validation (default: 0.15)', toNumber)
    .option('--patience <epochs>', 'epochs without improvement before training ends (default: 1)', toNumber)
    .option('--min-delta <loss>', 'fall of the validation loss that counts as one (default: 0)', toNumber)
    .option('--no-early-stopping', 'train all epochs; the best weights are kept all the same')
    .option('--batch-size <rows|auto>', 'rows computed at once (default: auto)', toBatchSize)
    .option('--effective-batch-size <rows>', 'rows of one optimiser step (default: 32)', toNumber)
    .option('--schedule <name>', 'constant, linear or cosine (default: constant)')
    .option('--warmup-steps <n>', 'steps of rising learning rate (default: 0)', toNumber)
    .option('--warmup-ratio <share>', 'the same as a share of all steps', toNumber)
    .option('--optimizer <preset>', "AdamW's constants: notebook or torch (default: notebook)")
    .option('--max-gradient-norm <norm>', 'clip the gradient to this norm (default: no clipping)', toNumber)
    .option('--freeze <name...>', 'parameters or modules that keep their weights')
    .option('--no-shuffle', "keep the file's order in every epoch")
    .option('--dropout <p>', "replaces the model's dropout", toNumber)
    .option('--precision <kind>', 'auto, fp32 or bf16; on a GPU also tf32 and fp16 (default: auto)')
    .option('--seed <n>', 'seed of split, order and dropout (default: 1)', toNumber)
    .option('--memory-limit <size>', 'memory that training may hold, e.g. 2GB (default: what is free)', toBytes)
    .option('--device <name>', 'auto, cpu, cuda or a GPU as cuda:1 (default: auto)')
    .option('--memory-fraction <share>', "share of the GPU's memory that training may take (default: all)", toNumber)
    .option('--checkpoint <folder>', 'keep the state of the run there, to resume it (after each epoch, and on Ctrl-C)')
    .option('--checkpoint-steps <n>', 'write it after every so many steps instead', toNumber)
    .option('--checkpoint-minutes <n>', 'write it whenever so many minutes have passed', toNumber)
    .option('--checkpoint-keep <n>', 'how many of the newest stay (default: 2)', toNumber)
    .option('--checkpoint-best', "also keep the best epoch's")
    .option('--resume [folder]', 'go on from the newest checkpoint, of --checkpoint or of another folder')
    .option('--allow-inexact', 'resume with other threads, another processor or version, whose numbers differ a little')
    .option('--allow-constant-scores', 'train also where the scores of all rows are equal')
    .option('--format <name>', "csv, tsv, jsonl or parquet (default: by the file's extension)")
    .option('--text1 <column>', 'column of the first text: its name, or #0 for the first one')
    .option('--text2 <column>', 'column of the second text')
    .option('--score <column>', 'column of the score')
    .option('--score-range <low,high>', 'lowest and highest score of the file (default: 0,1)', toRange)
    .addOption(new Option('--no-header', "the file's first row is data already; columns are then #0, #1, …"))
    .option('--no-quoting', 'double quotes are ordinary characters')
    .option('--json', 'print the report as JSON')
    .action(finetune);
}

async function finetune(file: string, flags: Flags, command: Command): Promise<void> {
  const options = finetuneOptions(flags, command);
  // Before hours of training, not after them.
  await checkSaveTarget(flags.out);
  const download = new DownloadDisplay();
  const display = new FinetuneDisplay();
  const stop = new StopSignals();
  const tv = new TextVectorisation(flags.model, {
    ...given({ device: flags.device, memoryFraction: flags.memoryFraction }),
    onProgress: (event) => download.show(event),
  });
  const kept = new KeptEpoch();
  let trained = false;
  const onProgress = (event: FinetuneEvent): void => {
    download.end();
    kept.note(event);
    display.show(event);
  };
  try {
    const report = await tv.finetune(file, { ...options, signal: stop.signal, onProgress });
    trained = true;
    display.end();
    // Whatever comes of the saving, what was measured is told.
    const saved = await saveModel(tv, flags.out).catch((failure: Error) => ({ folder: null, failure }));
    process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : describe(report, saved.folder));
    if (saved.failure !== null) throw elsewhere(saved.folder, saved.failure);
  } catch (error) {
    display.end();
    const stopped = stop.signal.aborted && error instanceof AbortError;
    if (stopped) process.exitCode = stop.exitCode;
    // The weights are saved already, or cannot be.
    if (trained) throw error;
    if (flags.checkpoint !== undefined)
      process.stderr.write('the same command with --resume goes on from the last checkpoint\n');
    const ended = stopped ? 'stopped' : 'the run failed';
    if (kept.epoch > 0) {
      const { folder, failure } = await saveModel(tv, flags.out);
      process.stderr.write(`${ended}: the weights of epoch ${kept.epoch} are saved to ${folder}\n`);
      if (failure !== null) process.stderr.write(`not to ${flags.out}: ${failure.message}\n`);
    } else if (stopped) process.stderr.write('stopped: no epoch has made the model better yet, so nothing is saved\n');
    if (!stopped) throw error;
  } finally {
    stop.release();
    download.end();
    display.end();
    await tv.dispose();
  }
}

/** The failure to save where it was asked for, with where the model is instead. */
function elsewhere(folder: string | null, failure: Error): Error {
  if (folder === null || !(failure instanceof VectuneError)) return failure;
  return new FileError('ERR_FILE', `${failure.message} The model is saved to ${folder} instead.`, { cause: failure });
}

function describe({ before, after, rows }: FinetuneReport, folder: string | null): string {
  const table =
    before === null || after === null
      ? 'Nothing was measured: there were no validation rows.'
      : comparison(`${rows.validation} validation rows`, before, after);
  return `\n${table}\n${folder === null ? '' : `\nsaved to ${folder}\n`}`;
}

/** What was typed, as the library's options; what was not typed is left to its defaults. */
function finetuneOptions(flags: Flags, command: Command): FinetuneOptions {
  const typed = (name: keyof Flags): boolean => command.getOptionValueSource(name) === 'cli';
  const { earlyStopping, patience, minDelta } = flags;
  if (!earlyStopping && (patience !== undefined || minDelta !== undefined)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      '--no-early-stopping leaves nothing for --patience or --min-delta ' + 'to do; give one or the other.',
    );
  }
  const columns = given({ text1: column(flags.text1), text2: column(flags.text2), score: column(flags.score) });
  const file = given({
    format: flags.format as DataFormat | undefined,
    columns: Object.keys(columns).length > 0 ? columns : undefined,
    header: typed('header') ? flags.header : undefined,
    quoting: typed('quoting') ? flags.quoting : undefined,
    scoreRange: flags.scoreRange,
  }) as ReadOptions;
  const stopping = patience === undefined && minDelta === undefined ? undefined : given({ patience, minDelta });
  return given({
    maxInputLength: flags.maxInputLength,
    validationSplit: flags.validationSplit,
    epochs: flags.epochs,
    batchSize: flags.batchSize,
    effectiveBatchSize: flags.effectiveBatchSize,
    earlyStopping: earlyStopping ? stopping : false,
    learningRate: flags.learningRate,
    schedule: flags.schedule,
    warmupSteps: flags.warmupSteps,
    warmupRatio: flags.warmupRatio,
    optimizer: flags.optimizer,
    maxGradientNorm: flags.maxGradientNorm,
    freeze: flags.freeze,
    shuffle: typed('shuffle') ? flags.shuffle : undefined,
    dropout: flags.dropout,
    precision: flags.precision,
    seed: flags.seed,
    memoryLimit: flags.memoryLimit,
    device: flags.device,
    memoryFraction: flags.memoryFraction,
    checkpoint: checkpoint(flags),
    resume: flags.resume,
    allowInexact: flags.allowInexact,
    allowConstantScores: flags.allowConstantScores,
    file: Object.keys(file).length > 0 ? file : undefined,
  }) as FinetuneOptions;
}

function checkpoint({ checkpoint: folder, ...flags }: Flags): CheckpointOptions | undefined {
  const rest = given({
    everySteps: flags.checkpointSteps,
    everyMinutes: flags.checkpointMinutes,
    keep: flags.checkpointKeep,
    keepBest: flags.checkpointBest,
  });
  if (folder !== undefined) return { folder, ...rest };
  if (Object.keys(rest).length === 0) return undefined;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    'The options --checkpoint-… need --checkpoint, which names the folder.',
  );
}

/** Without the names that have no value. Values are checked where they are used: by the library. */
function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** `#2` is a column by its number from 0, anything else a name. */
function column(text: string | undefined): string | number | undefined {
  return text !== undefined && /^#\d+$/.test(text) ? Number(text.slice(1)) : text;
}

function toNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === '' || Number.isNaN(number)) throw new NotANumber('Expected a number.');
  return number;
}

function toBatchSize(text: string): number | 'auto' {
  return text === 'auto' ? text : toNumber(text);
}

function toBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KB|MB|GB)?$/i.exec(text.trim());
  if (match === null) throw new NotANumber('Expected a size such as 2GB, 1800MB, or a number of bytes.');
  const unit = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9 }[(match[2] ?? 'B').toUpperCase() as 'B' | 'KB' | 'MB' | 'GB'];
  return Math.round(Number(match[1]) * unit);
}

function toRange(text: string): [number, number] {
  const parts = text.split(',');
  if (parts.length !== 2) throw new NotANumber('Expected two numbers, as 0,5.');
  return [toNumber(parts[0]!), toNumber(parts[1]!)];
}
