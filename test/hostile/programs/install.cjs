'use strict';
// argv[2]: JSON of { from, sha256, cache }. Installs LibTorch from there and prints how that ended.
const path = require('node:path');
const { installLibTorch } = require(path.resolve(__dirname, '../../../dist/libtorch/install.js'));

const { from, sha256, cache } = JSON.parse(process.argv[2]);
installLibTorch({ from, sha256, environment: { ...process.env, VECTUNE_CACHE: cache } }).then(
  ({ version }) => console.log('installed', version),
  ({ name, code, message }) => console.log('failed', name, code, message),
);
