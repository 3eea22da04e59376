import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventLog } from '../../../lib/cli/event-log';
import type { FinetuneEvent } from '../../../lib/finetune/events';
import { FileError, InvalidArgumentError } from '../../../lib/system/errors';
import { option, say } from '../../../lib/system/wording';

const folder = mkdtempSync(join(tmpdir(), 'vectune-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('each event is a line of JSON with its time, an error in the words of the command line; runs append', () => {
  const file = join(folder, 'run.jsonl');
  const error = new InvalidArgumentError('ERR_INVALID_OPTION', say`See ${option('checkpoint.folder')}.`);
  for (const done of [1, 2]) {
    const log = new EventLog(file);
    log.note({ type: 'validating', kind: 'validating', epoch: 1, done, rows: 3 });
    log.note({ type: 'checkpoint-failed', error } as unknown as FinetuneEvent);
    log.close();
    log.close();
  }
  const lines = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { time: string });
  const time = expect.stringMatching(/^\d{4}-.*Z$/) as string;
  expect(lines.slice(0, 2)).toEqual([
    { time, type: 'validating', epoch: 1, done: 1, rows: 3 },
    {
      time,
      type: 'checkpoint-failed',
      error: { name: 'InvalidArgumentError', code: 'ERR_INVALID_OPTION', message: 'See --checkpoint.' },
    },
  ]);
  expect(lines).toHaveLength(4);
});

test('a log that cannot be written is refused before anything is done', () => {
  expect(() => new EventLog(folder)).toThrow(FileError);
  expect(() => new EventLog(folder)).toThrow(folder);
});

test('without a file nothing is written', () => {
  const log = new EventLog(undefined);
  log.note({ type: 'validating', kind: 'validating', epoch: 1, done: 1, rows: 3 });
  log.close();
});
