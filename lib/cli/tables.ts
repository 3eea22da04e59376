import { finetuneTable } from '../finetune/options';
import { custom, flattened, optional, type OptionEntry, type OptionTable } from '../system/option-table';
import { embedTable, textVectorisationTable } from '../text-vectorisation-options';

const passed = (typed: 'text' | 'column' | 'switch' | 'range') => custom<unknown>(typed, (_, value) => value);

/** Flags of a data file. */
const fileTable = {
  format: optional(passed('text'), undefined, {
    flag: '--format <name>',
    help: 'csv, tsv, jsonl or parquet',
    unset: "by the file's extension",
  }),
  columns: optional(
    custom('program', (_, value) => value, {
      text1: optional(passed('column'), undefined, {
        flag: '--text1 <column>',
        help: 'column of the first text: its name, or #0 for the first one',
      }),
      text2: optional(passed('column'), undefined, { flag: '--text2 <column>', help: 'column of the second text' }),
      score: optional(passed('column'), undefined, { flag: '--score <column>', help: 'column of the score' }),
    }),
    undefined,
  ),
  header: optional(passed('switch'), undefined, {
    flag: '--no-header',
    help: "the file's first row is data already; columns are then #0, #1, …",
  }),
  quoting: optional(passed('switch'), undefined, {
    flag: '--no-quoting',
    help: 'double quotes are ordinary characters',
  }),
  scoreRange: optional(passed('range'), undefined, {
    flag: '--score-range <low,high>',
    help: 'lowest and highest score of the file',
    unset: '0,1',
  }),
  encoding: optional(passed('text'), undefined),
};

/** The options that `vectune finetune` gives to `finetune`, and to the model. */
export const finetuneFlags: OptionTable = {
  ...finetuneTable,
  file: { ...finetuneTable.file, members: fileTable },
  revision: textVectorisationTable.revision,
};

/** The options that `vectune embed` gives to the model, and to `embed`. */
const { device, memoryFraction, precision, revision } = textVectorisationTable;
export const modelFlags = { precision, device, memoryFraction, revision };
export const embedFlags = { maxInputLength: embedTable.maxInputLength };

/** Every option by its path, whether or not it has a flag. Where two tables have one, its flag is the same in both. */
export const entries: ReadonlyMap<string, OptionEntry> = new Map(
  [textVectorisationTable, embedTable, finetuneFlags]
    .flatMap((table) => flattened(table))
    .map(({ path, entry }) => [path, entry]),
);
