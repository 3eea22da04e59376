import { readFile } from 'node:fs/promises';
import { recordIn } from '../report/read';
import type { RunRecord } from '../report/record';
import { renderReport } from '../report/report';
import { Output } from './output';

/** A page, whole or not at all. */
export async function writePage(file: string, record: RunRecord): Promise<void> {
  const output = await Output.open(file);
  try {
    await output.write(renderReport(record));
    await output.finish();
  } finally {
    await output.release();
  }
}

/** The page of a run that this command made: where the model is, which was not known when the page was written. */
export async function tellFolder(page: string, folder: string | null): Promise<void> {
  const record = recordIn(await readFile(page, 'utf8'));
  if (record !== undefined) await writePage(page, { ...record, folder, surface: 'cli' });
}
