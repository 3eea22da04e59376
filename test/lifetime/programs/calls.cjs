'use strict';
// argv[2]: JSON of { functions, codes, folder }, the contract as arguments.test.ts reads it; argv[3]: what is tried.
// Calls that come in each other's way: the program ends with 'done', or throws what was not as it must be.
const path = require('node:path');
const { once } = require('node:events');
const { Worker } = require('node:worker_threads');
const { liveObjects, loadEngine, spec, stepRequest, texts } = require('./engine.cjs');
const { disposeAll, disposers, handleTypes, training, validArguments } = require('./valid.cjs');

const { functions, codes, folder } = JSON.parse(process.argv[2]);

/** A result, or the error of the contract that there was instead; anything else is thrown. */
async function outcome(call) {
  try {
    return { value: await call() };
  } catch (error) {
    if (!(error instanceof Error) || !codes.includes(error.code) || error.message === '') throw error;
    return { code: error.code };
  }
}

/** The same numbers each time. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function nothingLives(engine) {
  let live;
  // Finalizers run in a turn of the event loop after a collection, frees on the engine's thread.
  for (let i = 0; i < 20; ++i) {
    global.gc();
    await new Promise(setImmediate);
    live = await liveObjects(engine);
    if (Object.values(live).every((count) => count === 0)) return;
  }
  throw new Error(`left alive: ${JSON.stringify(live)}`);
}

const things = {
  /** All functions on the same handles at the same time, in any order, and the handles disposed among them. */
  async 'at once on one handle'(engine) {
    const taking = functions.filter(({ parameters }) => parameters.some(({ type }) => type in handleTypes));
    const { threads } = engine.info();
    const seen = new Map();
    for (let round = 0; round < 60; ++round) {
      const below = random(round);
      const made = await training(engine);
      const state = path.join(folder, 'state.safetensors');
      await engine.writeState(made.trainer, state);
      await engine.copyState(made.trainer);
      const calls = [];
      for (let i = 0; i < 40; ++i) {
        // Each is called early and late; disposed of the handles is what comes rarely.
        let chosen = taking[below(taking.length)];
        if (chosen.name.startsWith('dispose') && below(4) !== 0) chosen = taking[i % taking.length];
        const { name, parameters } = chosen;
        const given = validArguments(name, parameters, made, folder);
        if (name === 'restoreState') given[1] = state;
        calls.push(outcome(() => engine[name](...given)).then((result) => [name, result]));
        if (below(8) === 0) await new Promise(setImmediate);
      }
      for (const [name, { code, value }] of await Promise.all(calls)) {
        // A copy is taken by who writes it first.
        const refused = name === 'writeCopy' && code === 'ERR_INVALID_ARGUMENT';
        if (!refused && !['ERR_DISPOSED', 'ERR_ABORTED', undefined].includes(code))
          throw new Error(`${name} failed with ${code}`);
        seen.set(name, (seen.get(name) ?? new Set()).add(code ?? 'done'));
        if (name === 'createTrainer' && value !== undefined) engine.disposeTrainer(value);
      }
      disposeAll(engine, made);
    }
    for (const { name } of taking) {
      const outcomes = seen.get(name);
      if (!outcomes?.has('done')) throw new Error(`${name} never came to its end`);
      if (!name.startsWith('dispose') && !outcomes.has('ERR_DISPOSED'))
        throw new Error(`${name} never met a disposed handle`);
    }
    await engine.setThreads(threads);
  },

  /** Who queues many calls on one handle keeps those of another from no more than a turn. */
  async 'many on one handle, one on another'(engine) {
    const [busy, other] = [await training(engine), await training(engine)];
    const order = [];
    const queued = Array.from({ length: 50 }, () =>
      engine.step(busy.trainer, stepRequest(busy.all)).then(() => order.push('busy')),
    );
    const { ids, offsets } = texts(4, 6);
    const single = [
      engine.step(other.trainer, stepRequest(other.all)).then(() => order.push('other')),
      engine.embed(other.model, ids, offsets, 'fp32').then(() => order.push('embed')),
      engine.createModel(spec(), [], 3).then((model) => order.push('create') && engine.disposeModel(model)),
    ];
    await Promise.all([...queued, ...single]);
    for (const name of ['other', 'embed', 'create']) {
      // One that runs when it is asked for, one of each that waits too, and one that may have been taken already.
      if (order.indexOf(name) > 8) throw new Error(`${name} came ${order.indexOf(name)}th`);
    }
    if (order.length !== 53) throw new Error(`${order.length} calls came to their end`);
    disposeAll(engine, busy);
    disposeAll(engine, other);
  },

  /**
   * No call waits for the engine, whatever it is at: all functions are called in the middle of a step of some seconds,
   * and the step is still on when the last one has returned. (A call that waited for its end would see it ended.)
   */
  async 'in the middle of a step'(engine) {
    const long = await training(engine, { long: true });
    const step = outcome(() => engine.step(long.trainer, stepRequest(long.all)));
    while (engine.trainerStats(long.trainer).workspaceRows === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const pending = [];
    for (const { name, parameters } of functions) {
      if (name.startsWith('dispose') || name === 'cancel') continue;
      pending.push(outcome(() => engine[name](...validArguments(name, parameters, long, folder))));
      if (engine.trainerStats(long.trainer).steps !== 0) throw new Error(`${name} waited for the end of the step`);
    }
    for (const dispose of Object.values(disposers)) {
      const { steps } = engine.trainerStats(long.trainer);
      if (steps !== 0) throw new Error('a call waited for the end of the step');
      if (dispose !== disposers.TrainerHandle) dispose(engine, long);
    }
    engine.cancel(long.trainer);
    engine.disposeTrainer(long.trainer);
    const { code } = await step;
    if (code !== 'ERR_ABORTED') throw new Error(`the step ended with ${code}`);
    await Promise.all(pending); // what was created is let go
    await engine.setThreads(2);
  },

  /** Arguments that do something when they are read. */
  async 'arguments that interfere'(engine) {
    for (const { name, parameters } of functions) {
      for (const [at, { type }] of parameters.entries()) {
        for (const interference of ['throws', 'disposes', 'calls', 'detaches']) {
          const made = await training(engine);
          const given = validArguments(name, parameters, made, folder);
          const target = given[at];
          if (typeof target !== 'object' || target === null || type in handleTypes || ArrayBuffer.isView(target)) {
            disposeAll(engine, made);
            break;
          }
          let reads = 0;
          const interfere = () => {
            ++reads;
            if (interference === 'throws') throw Object.assign(new Error('on purpose'), { code: codes[0] });
            if (interference === 'disposes') disposeAll(engine, made);
            if (interference === 'calls')
              void outcome(() => engine.embed(made.model, ...Object.values(texts(2, 3)), 'fp32'));
            if (interference === 'detaches') {
              for (const value of [...given, ...Object.values(target)]) {
                if (ArrayBuffer.isView(value) && value.byteLength > 0)
                  structuredClone(value.buffer, { transfer: [value.buffer] });
              }
            }
          };
          given[at] = new Proxy(target, {
            get: (object, key) => (interfere(), object[key]),
            ownKeys: (object) => (interfere(), Reflect.ownKeys(object)),
          });
          const { value } = await outcome(() => engine[name](...given));
          if (!Array.isArray(target) && reads === 0) throw new Error(`${name} did not read its argument ${at}`);
          if (value !== undefined && name.startsWith('create')) {
            engine[name.replace('create', 'dispose')](value);
          }
          disposeAll(engine, made);
        }
      }
    }
  },

  /** Another thread changes the memory that is given: what was copied is checked, and what was checked is used. */
  async 'memory that changes'(engine) {
    const { model, ...rest } = await training(engine);
    const shared = (source) => {
      const memory = new SharedArrayBuffer(source.byteLength);
      new Int32Array(memory).set(source);
      return new Int32Array(memory);
    };
    const plain = texts(64, 100);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    for (const [name, values] of [
      [
        'ids',
        [
          [6399, 2 ** 31 - 1],
          [0, -1],
          [6399, 5],
          [0, 5],
        ],
      ],
      [
        'offsets',
        [
          [1, 2 ** 31 - 1],
          [64, 2 ** 31 - 1],
          [1, 100],
          [64, 6400],
        ],
      ],
    ]) {
      const given = { ...plain, [name]: shared(plain[name]) };
      Atomics.store(stop, 0, 0);
      const worker = new Worker(path.join(__dirname, 'overwrite.cjs'), {
        workerData: { array: given[name].buffer, values, stop: stop.buffer },
      });
      await once(worker, 'online');
      const counts = { done: 0, refused: 0 };
      for (let i = 0; i < 60; ++i) {
        const { code } = await outcome(() => engine.embed(model, given.ids, given.offsets, 'fp32'));
        if (code !== undefined && code !== 'ERR_INVALID_ARGUMENT') throw new Error(`${name}: ${code}`);
        ++counts[code === undefined ? 'done' : 'refused'];
      }
      Atomics.store(stop, 0, 1);
      await once(worker, 'exit');
      if (counts.done + counts.refused !== 60) throw new Error(JSON.stringify(counts));
    }
    disposeAll(engine, { model, ...rest });
  },

  /** A handle belongs to its thread and to its addon; it is no data. */
  async 'handles that go elsewhere'(engine) {
    const made = await training(engine);
    const worker = new Worker('require("node:worker_threads").parentPort.once("message", () => {})', { eval: true });
    for (const handle of [made.model, made.dataset, made.trainer]) {
      for (const send of [
        () => worker.postMessage(handle),
        () => worker.postMessage({ a: [handle] }),
        () => structuredClone(handle),
      ]) {
        let name;
        try {
          send();
        } catch (error) {
          name = error.name;
        }
        if (name !== 'DataCloneError') throw new Error(`a handle was copied: ${name}`);
      }
      if (JSON.stringify(handle) !== '{}') throw new Error('a handle tells something');
    }
    await worker.terminate();
    disposeAll(engine, made);
  },

  /** Functions that are taken off the addon, constructed, or given more than they take. */
  async 'functions used otherwise'(engine) {
    const made = await training(engine);
    for (const { name, parameters } of functions) {
      if (name.startsWith('dispose') || name === 'cancel') continue;
      for (const call of [
        (given) => engine[name].call(undefined, ...given),
        (given) => engine[name].call(made.model, ...given),
        (given) => engine[name].apply(new Proxy({}, {}), [...given, 1, 2, 3]),
        (given) => Reflect.construct(engine[name], given),
      ]) {
        const { value } = await outcome(() => call(validArguments(name, parameters, made, folder)));
        if (name.startsWith('create') && value !== undefined)
          disposers[`${name.slice(6)}Handle`](engine, { [name.slice(6).toLowerCase()]: value });
      }
    }
    await engine.setThreads(engine.info().threads);
    disposeAll(engine, made);
  },
};

async function main(what) {
  const engine = await loadEngine();
  await things[what](engine);
  await nothingLives(engine);
  console.log('done');
}

void main(process.argv[3]);
