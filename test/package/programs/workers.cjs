// The main thread and two workers embed at the same time; prints each one's first number.
const { isMainThread, parentPort, Worker } = require('node:worker_threads');
const { once } = require('node:events');
const { TextVectorisation } = require('vectune');
const model = process.argv[2];

async function first() {
  const tv = new TextVectorisation(model);
  const vector = await tv.embed('the old mill');
  await tv.dispose();
  return vector[0];
}

async function main() {
  const workers = [0, 1].map(() => new Worker(__filename, { argv: [model] }));
  const told = workers.map(async (worker) => {
    // Both are asked for at once: a message may come out together with the exit.
    const [[value]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
    return value;
  });
  console.log(JSON.stringify(await Promise.all([first(), ...told])));
}

if (isMainThread) void main();
else void first().then((value) => parentPort.postMessage(value));
