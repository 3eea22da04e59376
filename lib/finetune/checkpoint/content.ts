import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, fromNative } from '../../system/errors';
import type { Progress } from '../progress';
import type { EngineAddon } from '../../engine/addon';
import type { RunIdentity } from './identity';

export const STATE_FILE = 'state.safetensors';
const DESCRIPTION_FILE = 'checkpoint.json';

/** checkpoint.json: everything of a checkpoint but the tensors. */
export interface Checkpoint {
  format: 1;
  /** Date and time, for people. */
  written: string;
  run: RunIdentity;
  progress: Progress;
  state: { bytes: number; checksum: string };
}

/** JSON has no word for these numbers, and a run goes on from them all the same. */
function encode(_: string, value: unknown): unknown {
  if (typeof value !== 'number' || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return { number: Object.is(value, -0) ? '-0' : String(value) };
}

function decode(_: string, value: unknown): unknown {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  if (keys.includes('tripletAccuracy') && keys.includes('mrr10')) {
    // As metrics of earlier versions named it.
    const { mrr10: ownMrr10, ...metrics } = value as { mrr10: number };
    return { ...metrics, ownMrr10 };
  }
  return keys.length === 1 && keys[0] === 'number' ? Number((value as { number: string }).number) : value;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Writes checkpoint.json, which vouches for itself and for the state's file beside it. */
export async function writeDescription(folder: string, checkpoint: Checkpoint): Promise<void> {
  const text = JSON.stringify(checkpoint, encode);
  await writeFile(join(folder, DESCRIPTION_FILE), `{"sha256":"${sha256(text)}","checkpoint":${text}}\n`, {
    flag: 'wx',
  });
}

export async function readDescription(folder: string): Promise<Checkpoint> {
  const damaged = (what: string, cause?: unknown) =>
    new CheckpointError('ERR_CHECKPOINT_DAMAGED', `The checkpoint ${folder} is damaged: ${what}.`, {
      file: folder,
      cause,
    });
  const content = await readFile(join(folder, DESCRIPTION_FILE), 'utf8').catch((error: Error) => {
    throw damaged(`${DESCRIPTION_FILE} cannot be read (${error.message})`, error);
  });
  const [, sum, text] = /^\{"sha256":"([0-9a-f]{64})","checkpoint":(.*)\}\n$/s.exec(content) ?? [];
  if (text === undefined || sum !== sha256(text)) throw damaged(`${DESCRIPTION_FILE} is not as it was written`);
  const checkpoint = JSON.parse(text, decode) as Checkpoint;
  if (checkpoint.format === 1) return checkpoint;
  throw new CheckpointError(
    'ERR_CHECKPOINT_MISMATCH',
    `The checkpoint ${folder} is of format ${String(checkpoint.format)}, ` +
      'and this version of vectune knows format 1. Resume with the version that wrote it.',
    { file: folder },
  );
}

/** Reads a checkpoint and makes sure that every byte of it is as it was written. @throws CheckpointError */
export async function readCheckpoint(folder: string, addon: Pick<EngineAddon, 'checksum'>): Promise<Checkpoint> {
  const checkpoint = await readDescription(folder);
  const path = join(folder, STATE_FILE);
  const damaged = (what: string, cause?: unknown) =>
    new CheckpointError('ERR_CHECKPOINT_DAMAGED', `The checkpoint ${folder} is damaged: ${STATE_FILE} ${what}.`, {
      file: path,
      cause,
    });
  const { bytes, checksum } = checkpoint.state;
  const found = await stat(path).catch((error: Error) => {
    throw damaged(`cannot be read (${error.message})`, error);
  });
  if (found.size !== bytes) throw damaged(`has ${found.size} bytes, and was written with ${bytes}`);
  const sum = await addon.checksum(path).catch((error: unknown) => {
    throw damaged(`cannot be read (${fromNative(error).message})`, error);
  });
  if (sum !== checksum) throw damaged(`has the checksum ${sum}, and was written with ${checksum}`);
  return checkpoint;
}
