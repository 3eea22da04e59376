'use strict';
// What a process whose model is kept in bf16 takes for each of `save` and `export`, beside what it has before: argv[2] is the
// model's folder, argv[3] one to write to. Needs --expose-gc, so that what Node has not yet freed does not count.
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const dist = path.resolve(__dirname, '../../../dist');
const { TextVectorisation } = require(dist);
const { loadEngine } = require(path.join(dist, 'engine/load.js'));

const [folder, out] = process.argv.slice(2);

function status(field) {
  return 1024 * Number(new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]);
}

async function taken(work) {
  const linux = process.platform === 'linux';
  const addon = await loadEngine();
  global.gc();
  if (linux) writeFileSync('/proc/self/clear_refs', '5'); // VmHWM begins again
  const before = linux && status('VmRSS');
  const { inUse } = addon.memory();
  addon.resetPeak();
  await work();
  const memory = addon.memory();
  return {
    most: memory.peak - inUse,
    kept: memory.inUse - inUse,
    process: linux ? status('VmHWM') - before : null,
  };
}

async function main() {
  const model = new TextVectorisation(folder, { precision: 'bf16' });
  const embed = async () => {
    const [vector] = await model.embed(['the old stone bridge']);
    return Buffer.from(vector.buffer).toString('hex');
  };
  const first = await embed();
  const options = { precision: ['fp32', 'fp16', 'int8'], onProgress: () => global.gc() };
  const found = {
    save: await taken(() => model.save(path.join(out, 'saved'))),
    onnx: await taken(() => model.export('onnx', path.join(out, 'onnx'), options)),
    gguf: await taken(() => model.export('gguf', path.join(out, 'gguf'), options)),
  };
  const same = (await embed()) === first;
  await model.dispose();
  process.stdout.write(JSON.stringify({ taken: found, same }));
}
void main();
