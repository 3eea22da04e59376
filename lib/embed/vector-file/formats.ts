import { extname } from 'node:path';
import type { AtomicFile } from '../../system/atomic-file';
import { InvalidArgumentError } from '../../system/errors';
import { option, say } from '../../system/wording';
import { JsonLinesFile } from './json-lines';
import { NpyFile } from './npy';
import { ParquetFile } from './parquet';
import type { Beside, VectorFile } from './vector-file';

/** What vectors are written as. */
export const vectorFormats = ['parquet', 'jsonl', 'npy'] as const;
/** A format of vectors. */
export type VectorFormat = (typeof vectorFormats)[number];

const OF_ENDING: Record<string, VectorFormat> = {
  '.parquet': 'parquet',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.npy': 'npy',
  '': 'jsonl',
};

/** The format that a file's name asks for. @throws InvalidArgumentError ERR_INVALID_OPTION: none by that ending */
export function formatOf(file: string): VectorFormat {
  const ending = extname(file).toLowerCase();
  const format = OF_ENDING[ending];
  if (format !== undefined) return format;
  throw new InvalidArgumentError(
    'ERR_INVALID_OPTION',
    `${file} ends in ${ending}, which says none of the formats of vectors: .parquet, .jsonl or .npy.`,
    { file, remedy: say`Name the file so, or the format with ${option('format', 'jsonl')}.` },
  );
}

export function vectorFile(file: AtomicFile, format: VectorFormat, beside: Beside): VectorFile {
  switch (format) {
    case 'parquet':
      return new ParquetFile(file, beside);
    case 'jsonl':
      return new JsonLinesFile(file, beside);
    case 'npy':
      return new NpyFile(file);
  }
}
