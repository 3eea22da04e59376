import { embedFileTable } from '../embed/embed-file';
import { compareTable, ofSide } from '../evaluate/compare';
import { evaluateDataTable } from '../evaluate/evaluate';
import { exportTable } from '../export/options';
import { mergeTable } from '../merge';
import { finetuneTable } from '../finetune/options';
import { mineTable } from '../mine/options';
import { addTable, cardTable, pushTable } from '../push/options';
import { serveTable } from '../serve/options';
import { flattened, object, optional, type OptionEntry, type OptionTable } from '../system/option-table';
import { embedTable, textVectorisationTable } from '../text-vectorisation-options';

/** The options that `vectune finetune` gives to `finetune`, and to the model. */
export const finetuneFlags: OptionTable = {
  ...finetuneTable,
  revision: textVectorisationTable.revision,
};

/** The options that `vectune embed` gives to the model, and to `embed`. */
const { device, memoryFraction, precision, revision } = textVectorisationTable;
export const modelFlags = { precision, device, memoryFraction, revision };
const { prompt, dimensions, maxInputLength } = embedTable;
export const embedFlags = { prompt, dimensions, maxInputLength };
/** The options that it gives to `embedFile`, and to the reading of its texts. */
const { format, text, json, encoding, inputFormat, textColumn, idColumn, titleColumn, role } = embedFileTable;
export const embedFileFlags = {
  role,
  inputFormat,
  textColumn,
  idColumn,
  titleColumn,
  json,
  encoding,
  file: embedFileTable.file,
  text,
  format,
};

/** The options that `vectune evaluate` and `vectune compare` give to the functions of these names. */
export const evaluateFlags = evaluateDataTable;
export const compareFlags = compareTable;
/** The options that `vectune compare` and `vectune report` give to both models. */
export const comparedFlags = { precision, device, memoryFraction };
/** Those that `vectune compare` gives to one of them. */
const sideTable = { precision: { ...precision, help: 'compute precision' } };
export const sideFlags = {
  a: optional(object(ofSide('a', sideTable)), undefined),
  b: optional(object(ofSide('b', sideTable)), undefined),
};

/** The options that `vectune report` gives to both models and to the reading of the data. */
const { similarity: _, ...reported } = evaluateDataTable;
export const reportFlags = reported;

/** The options that `vectune mine` gives to `mineHardNegatives`. */
export const mineFlags = mineTable;
/** The options that `vectune merge` gives to `merge`. */
export const mergeFlags: OptionTable = { method: mergeTable.method, revision };

/** The options that `vectune export` gives to `export`, and to the model. */
export const exportFlags: OptionTable = { precision: exportTable.precision };
export const revisionFlags: OptionTable = { revision };

/** The options that `vectune push` gives to `pushFolder`. */
export const pushFlags: OptionTable = {
  force: pushTable.force,
  ...addTable,
  branch: pushTable.branch,
  visibility: pushTable.visibility,
  message: pushTable.message,
  ...cardTable,
};

/** The options that `vectune serve` gives to `createServer`. */
export const serveFlags = serveTable;

/** Every option by its path, whether or not it has a flag. Where two tables have one, its flag is the same in both. */
export const entries: ReadonlyMap<string, OptionEntry> = new Map(
  [serveFlags, textVectorisationTable, embedTable, embedFileFlags, compareFlags, sideFlags, mineFlags, finetuneFlags]
    .flatMap((table) => flattened(table))
    .map(({ path, entry }): [string, OptionEntry] => [path, entry])
    .concat([['method', mergeTable.method]], Object.entries(pushFlags)),
);
