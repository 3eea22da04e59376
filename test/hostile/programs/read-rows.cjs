'use strict';
// argv[2]: a folder, argv[3]: the format of its files. Reads each and prints what became of it, a line of JSON each.
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { readRows } = require(path.resolve(__dirname, '../../../dist/data/read.js'));

const [folder, format] = process.argv.slice(2);
async function outcomeOf(name) {
  const outcome = await readRows(path.join(folder, name), { format }).then(
    (rows) => ({ rows }),
    (error) => ({
      error: error.name,
      code: error.code,
      file: error.file && path.basename(error.file),
      message: error.message,
    }),
  );
  return JSON.stringify({ name, ...outcome });
}

async function main() {
  const names = readdirSync(folder).sort();
  // Some at once: Parquet is read in a thread, whose start takes most of the time of a small file.
  for (let i = 0; i < names.length; i += 4) {
    for (const line of await Promise.all(names.slice(i, i + 4).map(outcomeOf))) console.log(line);
  }
}
void main();
