import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FileError, PushError } from '../system/errors';
import { systemReason } from '../system/system-error';
import { say } from '../system/wording';
import { foreignNames, MODEL_OR_EXPORT, someNames } from '../model/save/save-target';

/** A file to push. */
export interface PushedFile {
  /** In the repository. */
  path: string;
  /** On this machine. */
  file: string;
  bytes: number;
}

/** What an export is made of, beside the configuration. */
export function isOfExport(path: string): boolean {
  return /^onnx\/|\.gguf$/.test(path);
}

/** Weights of a model's encoder as it is trained; an export keeps those of the modules behind it. */
export function isOfWeights(path: string): boolean {
  return /^(?:0_StaticEmbedding\/)?\w*model[\w.-]*\.(safetensors|bin|h5|msgpack|ot)$/.test(path);
}

const SYSTEM = /^(\.DS_Store|Thumbs\.db|\.cache|\.git)$/;

/**
 * The files of a model's folder or of an export.
 *
 * @throws PushError ERR_PUSH_FOLDER: it is none, or holds other files, which are the owner's to publish; FileError
 */
export async function filesToPush(folder: string): Promise<PushedFile[]> {
  const place = resolve(folder);
  const names = await readdir(place).catch((error: unknown) => {
    throw new FileError('ERR_FILE', `Cannot read ${place}: ${systemReason(error)}.`, { file: place, cause: error });
  });
  if (!MODEL_OR_EXPORT.is(names)) {
    throw new PushError('ERR_PUSH_FOLDER', `${place} is neither a model folder nor an export of one.`, {
      file: place,
      remedy: say`Name the folder that save or export has written.`,
    });
  }
  const foreign = foreignNames(names, MODEL_OR_EXPORT);
  if (foreign.length > 0) {
    throw new PushError(
      'ERR_PUSH_FOLDER',
      `Besides a model ${place} holds ${someNames(foreign)}, which may not be meant for others.`,
      { file: place, remedy: say`Take them out of the folder, or push a folder that holds the model alone.` },
    );
  }
  return below(place, '');
}

async function below(place: string, prefix: string): Promise<PushedFile[]> {
  const files: PushedFile[] = [];
  for (const entry of await readdir(place, { withFileTypes: true })) {
    if (SYSTEM.test(entry.name)) continue;
    const file = join(place, entry.name);
    const info = await stat(file);
    if (info.isDirectory()) files.push(...(await below(file, `${prefix}${entry.name}/`)));
    else files.push({ path: `${prefix}${entry.name}`, file, bytes: info.size });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Git's name of the content, or that of large file storage. */
export async function contentId(file: PushedFile, kind: 'git' | 'lfs'): Promise<string> {
  const hash = createHash(kind === 'git' ? 'sha1' : 'sha256');
  if (kind === 'git') hash.update(`blob ${file.bytes}\0`);
  for await (const chunk of createReadStream(file.file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
