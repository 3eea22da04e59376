// A server of its own process, for soak.mjs: node served.cjs FOLDER OPTIONS. Its parent tells it to swap the model, and
// asks for its memory.
const { join } = require('node:path');
const { TextVectorisation } = require(join(__dirname, '../../../dist/index.js'));
const { createServer } = require(join(__dirname, '../../../dist/serve/create-server.js'));

const [folder, options] = process.argv.slice(2);
const open = () => new TextVectorisation(folder, { device: 'cpu' });

/** Its parent is gone. */
function abandoned() {
  process.exit(1);
}

async function main() {
  let model = open();
  const server = createServer({ live: model }, { port: 0, ...JSON.parse(options) });
  process.send({ address: await server.listen() });
  const answers = {
    async swap() {
      const next = open();
      const old = await server.swap('live', next);
      await old.dispose();
      model = next;
      return {};
    },
    async memory() {
      // Twice: what the first frees may hold more.
      for (let i = 0; i < 2; ++i) {
        global.gc();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heapUsed, external };
    },
    async close() {
      process.off('disconnect', abandoned);
      await server.close();
      await model.dispose();
      process.disconnect();
      return undefined;
    },
  };
  process.on('disconnect', abandoned);
  process.on('message', ({ id, what }) => {
    answers[what]().then(
      (value) => process.connected && process.send({ id, value }),
      (error) => process.send({ id, error: String(error.stack) }),
    );
  });
}

void main();
