'use strict';
// Stands before worker.cjs in plain Node (--require): the port of Electron's utility process over Node's own channel.
process.parentPort = {
  postMessage: (message) => process.send(message),
  on: (_, listener) => process.on('message', (data) => listener({ data })),
};
