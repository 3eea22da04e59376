'use strict';
// argv[2]: a Parquet file of 50,000 rows. Reads it whole, then until it is stopped; prints as JSON what was seen.
const path = require('node:path');
const threads = require('node:worker_threads');
const { readRows } = require(path.resolve(__dirname, '../../../dist/data/read.js'));
const { readScored } = require(path.resolve(__dirname, '../../../dist/data/read.js'));

const file = process.argv[2];
const seen = {
  threads: 0,
  refused: 0,
  pieces: [],
  sameTurn: 0,
  rows: 0,
  last: null,
  stopped: null,
  before: 0,
  left: null,
};

const { Worker } = threads;
let exits = Promise.resolve();
// parquet.ts takes the class from the module when it opens a file.
Object.defineProperty(threads, 'Worker', {
  value: class extends Worker {
    constructor(...args) {
      try {
        super(...args);
      } catch (error) {
        ++seen.refused;
        throw error;
      }
      ++seen.threads;
      exits = exits.then(() => new Promise((resolve) => this.once('exit', resolve)));
    }
  },
});

let turns = 0;
const turn = () => {
  ++turns;
  immediate = setImmediate(turn);
};
let immediate = setImmediate(turn);

async function main() {
  let last = -1;
  for await (const rows of readScored(file)) {
    seen.pieces.push(rows.length);
    if (turns === last) ++seen.sameTurn;
    last = turns;
    seen.rows += rows.length;
    seen.last = rows.at(-1);
  }
  const stop = new AbortController();
  const stopped = await (async () => {
    for await (const rows of readScored(file, { signal: stop.signal })) {
      seen.before += rows.length;
      stop.abort(new Error('enough'));
    }
  })().catch((error) => error.message);
  seen.stopped = stopped;
  seen.aborted = await readRows(file, { signal: AbortSignal.abort(new Error('before')) }).catch(
    (error) => error.message,
  );
  await exits;
  clearImmediate(immediate);
  console.log(JSON.stringify(seen));
}
void main();
