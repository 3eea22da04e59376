'use strict';
// argv[2]: JSON of { from, to }. Fetches that file and prints how it ended.
const path = require('node:path');
const { download } = require(path.resolve(__dirname, '../../../dist/system/download.js'));

const { from, to } = JSON.parse(process.argv[2]);
download(from, to).then(
  () => console.log('fetched'),
  ({ name, code, message }) => console.log('failed', name, code, message),
);
