import { closeSync, openSync, writeSync } from 'node:fs';
import type { FinetuneEvent } from '../finetune/events';
import { messageFor, FileError, VectuneError } from '../system/errors';
import { cli } from './surface';
import { systemReason } from '../system/system-error';

/** The file of `--log`: each event of a run in a line of JSON, with the time at which it came. */
export class EventLog {
  readonly #file: string | undefined;
  #descriptor: number | undefined;

  /** @throws FileError: the file cannot be written; nothing has been done yet. */
  constructor(file: string | undefined) {
    this.#file = file;
    if (file === undefined) return;
    try {
      this.#descriptor = openSync(file, 'a');
    } catch (cause) {
      throw new FileError('ERR_FILE', `The log ${file} cannot be written: ${systemReason(cause)}.`, {
        file,
        cause,
      });
    }
  }

  note({ kind: _, ...event }: FinetuneEvent): void {
    if (this.#descriptor === undefined) return;
    try {
      writeSync(this.#descriptor, `${JSON.stringify({ time: new Date().toISOString(), ...event }, plainly)}\n`);
    } catch (error) {
      // The run is worth more than its log.
      process.stderr.write(`the log ${this.#file} cannot be written any more: ${systemReason(error)}\n`);
      this.close();
    }
  }

  /** May be called twice. */
  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

function plainly(_: string, value: unknown): unknown {
  if (value instanceof VectuneError) return { name: value.name, code: value.code, message: messageFor(value, cli) };
  return value instanceof Error ? { name: value.name, message: value.message } : value;
}
