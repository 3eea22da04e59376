// Postgres compiled to WebAssembly, with pgvector, behind its own protocol on a free port of 127.0.0.1: run in the folder
// whose node_modules has it. Prints its address; ends when its standard input does.
const { createRequire } = require('node:module');
const { createServer } = require('node:net');
const { join } = require('node:path');

const inFolder = createRequire(join(process.cwd(), 'package.json'));
const { PGlite } = inFolder('@electric-sql/pglite');
const { vector } = inFolder('@electric-sql/pglite-pgvector');
const { PGLiteSocketServer } = inFolder('@electric-sql/pglite-socket');

async function main() {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  const db = await PGlite.create({ extensions: { vector } });
  const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port });
  await server.start();
  console.log(`postgres://postgres@127.0.0.1:${port}/postgres`);
  process.stdin.resume();
  process.stdin.once('end', () => process.exit(0));
}

void main();
