import { orAborted, untilAborted } from '../system/aborted';
import { InvalidArgumentError, saidBy } from '../system/errors';
import { option, say } from '../system/wording';
import type { BadRows } from './bad-rows';
import { resolveColumns } from './columns';
import type { FileFacts } from './facts';
import type { TrainingData } from './form';
import { asPairClasses, isId, planOf, type FormPlan } from './form-columns';
import { FormReader } from './form-rows';
import { JoinedTable } from './formats/joined';
import type { Table } from './formats/table';
import { openTable, scoredRows, tableNotes, type Reading } from './read';
import { resolveReadOptions, type ReadOptions } from './read-options';
import { ScoredRows } from './scored-rows';
import { checkIsFile } from './text/text-source';
import { thrownBy } from './thrown-by';
import { emptyData } from './validate';

/**
 * A file as rows to train on, as its columns say what they are; or several Parquet files as one.
 *
 * @param files where `file` names what these hold together
 * @throws InvalidArgumentError: the file, its columns or its rows
 */
export async function fileRows(
  file: string,
  options: ReadOptions,
  pairClasses: boolean,
  reading: Reading,
  bad: BadRows,
  signal: AbortSignal,
  files: readonly string[] = [file],
): Promise<TrainingData> {
  if (files[0] === file) await checkIsFile(file, 'a data file'); // before its format, which a folder has none of
  const resolved = resolveReadOptions(file, options);
  // Waited for with the signal: a pipe may keep us waiting for ever.
  const first = await opened(openTable(files[0]!, resolved), signal);
  const table = files.length === 1 ? first : new JoinedTable(first, files.slice(1), (one) => openTable(one, resolved));
  const { columns: names } = table;
  let plan: FormPlan | null;
  const pairsPlan = (): FormPlan => ({
    kind: 'pairs',
    ...resolveColumns(file, names, resolved.columns, table.names),
  });
  // What asks for the columns of two texts and a score by their names.
  const unclear = (): unknown => {
    const error = thrownBy(pairsPlan);
    return Object.keys(resolved.columns).length === 0 && error !== undefined ? orOtherForms(error, names) : error;
  };
  try {
    plan = names.length === 0 ? null : planOf(names, resolved.columns, table.names !== 'none');
    if (plan === null && names.length > 0) {
      const error = unclear();
      if (error !== undefined) throw error;
    }
    if (pairClasses && names.length > 0) plan = asPairClasses(plan ?? pairsPlan());
  } catch (error) {
    await table.close();
    throw error;
  }
  if (plan === null) {
    const collector = new ScoredRows();
    for await (const rows of untilAborted(scoredRows(file, table, resolved, reading, bad), signal)) {
      for (const one of rows) collector.add(one);
    }
    return collector.finish();
  }
  const score = { range: resolved.scoreRange, labels: resolved.labels };
  const reader = new FormReader({ plan, names, score, file, unclear });
  let row = 0;
  for await (const piece of untilAborted(
    table.rows(reader.positions, () => true),
    signal,
  )) {
    for (const { cells, line, record, fault } of piece) {
      bad.read(() => {
        if (fault !== undefined) throw fault;
        reader.read(cells, { file, row, line }, record);
      });
      ++row;
    }
  }
  if (row === 0) throw emptyData(`${file} has no rows`, file);
  bad.check();
  const data = reader.finish();
  const column = (at: number): string | number => (table.names === 'none' ? at : names[at]!);
  const { format } = resolved;
  const { encoding, delimiter } = table;
  reading.columns = reader.columns;
  reading.file = { format, encoding, delimiter, columns: partsOf(plan, column), labels: reader.words };
  reading.notes.push(...tableNotes(table, resolved), ...reader.unread(), ...reader.notes());
  return data;
}

/** With how rows of other forms are asked for, which two columns of texts may be. */
function orOtherForms(error: unknown, names: readonly string[]): unknown {
  const texts = names.filter((name) => !isId(name));
  if (!(error instanceof InvalidArgumentError) || texts.length < 2) return error;
  const { said, remedy } = saidBy(error);
  return new InvalidArgumentError(error.code, said, {
    file: error.file,
    remedy: say`${remedy ?? []}${remedy === undefined ? '' : ' '}Rows of another form name their parts, as ${option('file.columns', { anchor: texts[0], positive: texts[1] })}.`,
  });
}

/** The columns by the names that `ColumnChoice` has for them. */
function partsOf(plan: FormPlan, column: (at: number) => string | number): FileFacts['columns'] {
  switch (plan.kind) {
    case 'pairs':
      return { text1: column(plan.text1), text2: column(plan.text2), score: column(plan.score) };
    case 'nli':
    case 'ranking': {
      const [anchor, positive, ...negative] = plan.texts;
      const label = plan.kind === 'nli' ? { label: column(plan.label) } : {};
      const others = negative.length > 0 ? { negative: negative.map(column) } : {};
      return { anchor: column(anchor), positive: column(positive), ...others, ...label };
    }
    case 'selected':
      return { anchor: column(plan.texts[0]), candidates: column(plan.texts[1]), label: column(plan.label) };
    case 'candidates':
      return { anchor: column(plan.texts[0]), candidates: column(plan.texts[1]), scores: column(plan.label) };
    case 'pairClasses':
      return { text: plan.texts.map(column), label: column(plan.label) };
    case 'vectors':
      return { text: plan.texts.map(column), vector: column(plan.label) };
    case 'classes':
    case 'labelled':
      return { text: plan.texts.map(column), label: column(plan.label) };
  }
}

/** A table as soon as it is open; where that is not waited for any more, it is closed when it is. */
async function opened(opening: Promise<Table>, signal: AbortSignal): Promise<Table> {
  try {
    signal.throwIfAborted();
    return await orAborted(opening, signal);
  } catch (error) {
    void opening.then((table) => table.close()).catch(() => undefined);
    throw error;
  }
}
