// Exports a model; prints what came of it and what is there then. The request: model, to, format.
const { readdirSync } = require('node:fs');
const { dirname } = require('node:path');
const { TextVectorisation } = require('../../../dist/index.js');

const { model, to, format } = JSON.parse(process.argv[2]);
new TextVectorisation(model, { device: 'cpu' }).export(format, to).then(
  () => console.log('exported', readdirSync(dirname(to)).join(' ')),
  (error) =>
    console.log('failed', error.name, error.code, error.message, `left: ${readdirSync(dirname(to)).join(' ')}`),
);
