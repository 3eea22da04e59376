// Prints the rows of a Parquet file, and how many row groups it has, as hyparquet reads them; with --digest, of the numbers
// only their hash.
import { createHash } from 'node:crypto';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';

const [path, digest] = process.argv.slice(2);
const file = await asyncBufferFromFile(path);
const metadata = await parquetMetadataAsync(file);
let rows = await parquetReadObjects({ file, metadata });
const hash = createHash('sha256');
if (digest !== undefined) {
  for (const { vector } of rows) hash.update(Float32Array.from(vector));
  rows = rows.map(({ text }) => ({ text }));
}
process.stdout.write(JSON.stringify({ groups: metadata.row_groups.length, rows, hash: hash.digest('hex') }));
