'use strict';
// A worker that writes into the arrays that the main thread gives to the engine, until it is told to stop.
const { workerData } = require('node:worker_threads');

const [array, values, stop] = [new Int32Array(workerData.array), workerData.values, new Int32Array(workerData.stop)];
while (Atomics.load(stop, 0) === 0) for (const [i, value] of values) array[i] = value;
