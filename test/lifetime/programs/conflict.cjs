'use strict';
// argv[2]: root of a second copy of the package; argv[3]: folder of a second LibTorch, which that copy is told to load.
const path = require('node:path');

const MODEL = path.resolve(__dirname, '../../parity/fixtures/bert-mean/model');

async function main() {
  const [first, second] = [path.resolve(__dirname, '../../..'), process.argv[2]].map(
    (root) => require(path.join(root, 'dist', 'index.js')).TextVectorisation,
  );
  const model = new first(MODEL);
  await model.load();
  const other = new second(MODEL, { libtorch: process.argv[3] });
  await other.load().then(
    () => console.log('loaded'),
    ({ name, code }) => console.log(name, code),
  );
  if ((await model.embed('a')).length === 32) console.log('the first works');
  const again = new second(MODEL);
  if ((await again.embed('a')).length === 32) console.log("the second works with the first one's LibTorch");
}

void main();
