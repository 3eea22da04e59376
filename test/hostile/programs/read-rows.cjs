'use strict';
// argv[2]: a folder, argv[3]: the format of its files. Reads each and prints what became of it, a line of JSON each.
const { readdirSync } = require('node:fs');
const path = require('node:path');
const { readRows } = require(path.resolve(__dirname, '../../../dist/data/read.js'));

const [folder, format] = process.argv.slice(2);
async function main() {
  for (const name of readdirSync(folder).sort()) {
    const outcome = await readRows(path.join(folder, name), { format }).then(
      (rows) => ({ rows }),
      (error) => ({
        error: error.name,
        code: error.code,
        file: error.file && path.basename(error.file),
        message: error.message,
      }),
    );
    console.log(JSON.stringify({ name, ...outcome }));
  }
}
void main();
