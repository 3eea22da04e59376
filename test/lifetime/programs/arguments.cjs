'use strict';
// Calls the addon's functions with what they must refuse. argv[2]: JSON of
// { functions: [{ name, parameters: [{ name, type }] }], folder }, as lib/engine/addon.ts declares them; which there
// are is told by the addon itself. Each call prints a line of JSON: { name, given, outcome, code }.
const path = require('node:path');
const { liveObjects, loadEngine, pairsOf, spec, stepRequest, texts, trainerOptions } = require('./engine.cjs');
const { disposeAll, disposers, handleTypes, training, validArguments, validValues } = require('./valid.cjs');

const { functions, folder } = JSON.parse(process.argv[2]);
const declared = new Map(functions.map(({ name, parameters }) => [name, parameters]));
const detached = (array) => {
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
};

/** Values of every kind, by what they are called in the output. */
const values = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  'a fraction': () => 0.5,
  NaN: () => NaN,
  Infinity: () => Infinity,
  'a negative number': () => -1,
  'a large number': () => 2 ** 53,
  'a text': () => path.join(folder, 'text'),
  'an empty text': () => '',
  'a text with a zero character': () => path.join(folder, 'te\0xt'),
  'a symbol': () => Symbol('s'),
  'a bigint': () => 7n,
  'an object': () => ({}),
  'an object without prototype': () => Object.create(null),
  'a proxy': () => new Proxy({}, {}),
  'a function': () => () => 1,
  'a class': () => class {},
  'a date': () => new Date(0),
  'a map': () => new Map(),
  'a promise': () => Promise.resolve(1),
  'an empty list': () => [],
  'a list of numbers': () => [0, 1],
  'a list of objects': () => [{}],
  'an empty Int32Array': () => new Int32Array(0),
  'a detached Int32Array': () => detached(Int32Array.of(0, 1)),
  'an Int32Array whose memory shrank': () => {
    const memory = new ArrayBuffer(16, { maxByteLength: 16 });
    const array = new Int32Array(memory, 8, 2);
    memory.resize(4);
    return array;
  },
  'a Float32Array': () => Float32Array.of(0, 1),
  'a Float64Array': () => Float64Array.of(0, 1),
  'a Uint8Array': () => Uint8Array.of(0, 1),
  'a BigInt64Array': () => BigInt64Array.of(0n, 1n),
  'a DataView': () => new DataView(new ArrayBuffer(8)),
  'an ArrayBuffer': () => new ArrayBuffer(8),
  'a SharedArrayBuffer': () => new SharedArrayBuffer(8),
};

/** What a parameter of a type takes, though it is among the values. */
const taken = {
  'number | null': ['null'],
  string: ['a text'],
  // left out, as are two precisions
  NativeDevice: ['undefined'],
  NativePrecision: ['undefined'],
  boolean: ['true'],
  'WeightFile[]': ['an empty list'],
  'SaveFile[]': ['an empty list'],
  Float32Array: ['a Float32Array'],
  'Float32Array | Int8Array | Uint8Array': ['a Float32Array'],
  'number[]': ['a list of numbers'],
};

/** The same by the parameter's name. */
const takenAs = {
  share: ['a fraction'],
  promptTokens: ['undefined'],
  unpooled: ['undefined'],
  sets: ['undefined', 'an empty list'],
};

async function main() {
  const engine = await loadEngine();
  const made = await training(engine);
  const before = await liveObjects(engine);
  const { threads } = engine.info();

  async function call(name, given, args) {
    const result = { name, given };
    try {
      const returned = engine[name](...args);
      if (typeof returned?.then !== 'function') result.outcome = 'returned';
      else {
        result.outcome = 'rejected';
        await returned;
        result.outcome = 'resolved';
      }
    } catch (error) {
      result.outcome ??= 'threw';
      result.isError = error instanceof Error;
      result.code = error?.code;
      result.message = String(error?.message);
    }
    console.log(JSON.stringify(result));
  }

  for (const name of Object.keys(engine)) {
    const parameters = declared.get(name);
    if (parameters === undefined) {
      console.log(JSON.stringify({ name, given: 'declaration', outcome: 'none' }));
      continue;
    }
    await call(name, 'no arguments', []);
    const valid = (handles = made) => validArguments(name, parameters, handles, folder);
    // What follows is refused for what is changed in these, and for nothing else.
    const fresh = await training(engine);
    await engine.copyState(fresh.trainer);
    if (name === 'restoreState' || name === 'checksum')
      await engine.writeState(fresh.trainer, validValues(folder).path);
    await call(name, 'valid arguments', valid(fresh));
    disposeAll(engine, fresh);
    const withValue = (i, value) => valid().map((given, at) => (at === i ? value : given));

    for (const [i, { name: parameter, type }] of parameters.entries()) {
      for (const [label, make] of Object.entries(values)) {
        if (!taken[type]?.includes(label) && !takenAs[parameter]?.includes(label))
          await call(name, `${parameter}: ${label}`, withValue(i, make()));
      }
      for (const [otherType, key] of Object.entries(handleTypes)) {
        if (otherType !== type) await call(name, `${parameter}: handle of a ${key}`, withValue(i, made[key]));
      }
      if (type in handleTypes) {
        const gone = await training(engine);
        disposers[type](engine, gone);
        await call(name, `${parameter}: disposed`, withValue(i, gone[handleTypes[type]]));
        disposeAll(engine, gone);
      }
      const value = valid()[i];
      if (Object.getPrototypeOf(value ?? 0) !== Object.prototype) continue;
      for (const [at, changed] of changedObjects(value)) await call(name, `${parameter}${at}`, withValue(i, changed));
    }
  }
  for (const [name, given, args] of misfits(made)) await call(name, given, args);

  // After all that the engine still works, and lets everything go.
  await engine.setThreads(threads);
  for (let i = 0; i < 10; ++i) {
    global.gc(); // what valid calls created; finalizers run in a turn of the event loop
    await new Promise(setImmediate);
  }
  const after = await liveObjects(engine);
  const { loss } = await engine.step(made.trainer, stepRequest(made.all));
  if (!Number.isFinite(loss)) throw new Error(`a step's loss is ${loss}`);
  disposeAll(engine, made);
  console.log(JSON.stringify({ before, after, end: await liveObjects(engine), inUse: engine.memory().inUse }));
}

/** An object of options with one property, however deep, left out, of no type that fits, or too many. */
function* changedObjects(object, at = '') {
  yield [`${at}: with an unknown property`, { ...object, unknown: 1 }];
  for (const [key, value] of Object.entries(object)) {
    const { [key]: _, ...rest } = object;
    yield [`${at}.${key}: left out`, rest];
    for (const label of ['a symbol', 'an object', 'a text', 'NaN']) {
      yield [`${at}.${key}: ${label}`, { ...object, [key]: values[label]() }];
    }
    const nested = Array.isArray(value)
      ? value.map((entry, i) => [
          `${at}.${key}.${i}`,
          entry,
          (changed) => value.map((given, j) => (j === i ? changed : given)),
        ])
      : [[`${at}.${key}`, value, (changed) => changed]];
    for (const [place, inner, put] of nested) {
      if (Object.getPrototypeOf(inner ?? 0) !== Object.prototype) continue;
      for (const [where, changed] of changedObjects(inner, place)) yield [where, { ...object, [key]: put(changed) }];
    }
  }
}

/** Arguments of the right types that do not fit each other, the model or any machine. */
function misfits({ model, dataset, trainer, vectors }) {
  const { ids, offsets } = texts(4, 6);
  const scores = Float32Array.of(0, 1);
  const sized = (change) => ({ ...spec(), encoder: { ...spec().encoder, ...change } });
  const largest = 2 ** 28;
  const dense = (inFeatures, outFeatures) => ({
    kind: 'dense',
    inFeatures,
    outFeatures,
    bias: true,
    activation: 'tanh',
  });
  const texted = [
    ['offsets that go back', ids, Int32Array.of(0, 12, 6, 18, 24)],
    ['offsets beyond the ids', ids, Int32Array.of(0, 6, 12, 18, 25)],
    ['offsets that end before the ids do', ids, Int32Array.of(0, 6, 12, 18, 23)],
    ['offsets that begin late', ids, Int32Array.of(1, 6, 12, 18, 24)],
    ['negative offsets', ids, Int32Array.of(-6, 6, 12, 18, 24)],
    ['a text without tokens', ids, Int32Array.of(0, 6, 6, 18, 24)],
    ['no ids', new Int32Array(0), offsets],
    ['offsets of the largest number', ids, new Int32Array(5).fill(2 ** 31 - 1)],
  ];
  const tokens = [
    ['a token beyond the vocabulary', ids.map((id, i) => (i === 5 ? 200 : id)), offsets],
    ['a negative token', ids.map((id, i) => (i === 5 ? -1 : id)), offsets],
    ['the largest token', ids.map((id, i) => (i === 5 ? 2 ** 31 - 1 : id)), offsets],
    ['a text longer than the positions', new Int32Array(4 * 129).fill(1), offsets.map((_, i) => 129 * i)],
  ];
  const out = path.join(folder, 'misfit.safetensors');
  return [
    ...[...texted, ...tokens].flatMap(([given, a, b]) => [
      ['embed', given, [model, a, b, 'fp32']],
      ['embed', `${given} (bf16)`, [model, a, b, 'bf16']],
      ['traceForward', given, [model, a, b, out]],
    ]),
    // A table of words takes texts without tokens; a trainer of another model refuses them.
    ...texted
      .filter(([given]) => given !== 'a text without tokens')
      .map(([given, a, b]) => ['createDataset', given, [a, b, ...pairsOf(2), scores]]),
    [
      'createDataset',
      'unpooled of a text too few',
      [ids, offsets, ...pairsOf(2), scores, undefined, new Int32Array(3)],
    ],
    [
      'createDataset',
      'a negative unpooled',
      [ids, offsets, ...pairsOf(2), scores, undefined, new Int32Array(4).fill(-1)],
    ],
    ['createDataset', 'a label too few', [ids, offsets, ...pairsOf(2), Float32Array.of(1)]],
    ['createDataset', 'a label too many', [ids, offsets, ...pairsOf(2), Float32Array.of(1, 1, 1)]],
    ['createDataset', 'a label that is not a number', [ids, offsets, ...pairsOf(2), Float32Array.of(NaN, 1)]],
    ['createDataset', 'labels of no rows', [ids, offsets, ...pairsOf(0), scores]],
    ...[-1, 4, 2 ** 31 - 1, -(2 ** 31)].map((text) => {
      const [columns, rowOffsets] = pairsOf(2);
      return ['createDataset', `text ${text} in a row`, [ids, offsets, columns.fill(text, 3), rowOffsets, scores]];
    }),
    ...[
      ['row offsets that go back', Int32Array.of(0, 6, 4)],
      ['row offsets beyond the columns', Int32Array.of(0, 2, 5)],
      ['row offsets that end before the columns do', Int32Array.of(0, 2, 3)],
      ['row offsets that begin late', Int32Array.of(1, 2, 4)],
      ['negative row offsets', Int32Array.of(-2, 2, 4)],
      ['a row without columns', Int32Array.of(0, 0, 4)],
      ['row offsets of the largest number', new Int32Array(3).fill(2 ** 31 - 1)],
      ['no row offsets', new Int32Array(0)],
    ].map(([given, rowOffsets]) => ['createDataset', given, [ids, offsets, pairsOf(2)[0], rowOffsets, scores]]),
    ...[-1, 32, 2 ** 31 - 1, -(2 ** 31)].flatMap((row) => [
      ['step', `row ${row}`, [trainer, stepRequest(Int32Array.of(0, row))]],
      ['probe', `row ${row}`, [trainer, Int32Array.of(0, row)]],
      ['evaluate', `row ${row}`, [trainer, Int32Array.of(0, row), 2]],
      ['traceGradients', `row ${row}`, [trainer, Int32Array.of(0, row), 2, out]],
    ]),
    ['step', 'microBatch 0', [trainer, { ...stepRequest(Int32Array.of(0)), microBatch: 0 }]],
    ['evaluate', 'microBatch 0', [trainer, Int32Array.of(0), 0]],
    ['createTrainer', 'a name to freeze that is nowhere', [model, dataset, { ...trainerOptions, freeze: ['nowhere'] }]],
    ['createTrainer', 'everything frozen', [model, dataset, { ...trainerOptions, freeze: ['embeddings', 'encoder'] }]],
    ['createTrainer', 'a limit of one byte', [model, dataset, { ...trainerOptions, memoryLimit: 1 }]],
    ['createModel', 'no head', [{ ...spec(), head: [] }, [], 1]],
    [
      'createModel',
      'a LayerNorm of another width',
      [
        {
          ...spec(),
          head: [
            { kind: 'pooling', modes: ['mean'] },
            { kind: 'layer_norm', dimension: 31 },
          ],
        },
        [],
        1,
      ],
    ],
    ['createModel', 'no pooling first', [{ ...spec(), head: [{ kind: 'normalize' }] }, [], 1]],
    ['createModel', 'heads that do not divide the width', [sized({ heads: 3 }), [], 1]],
    ['createModel', 'no layers', [sized({ layers: 0 }), [], 1]],
    ['createModel', 'an offset beyond the positions', [sized({ positionOffset: 128 }), [], 1]],
    ['createModel', 'more layers than any model', [sized({ layers: 2 ** 20 }), [], 1]],
    ...[1, 200].map((count) => {
      const wide = Array.from({ length: count }, () => dense(largest, largest));
      const head = [{ kind: 'pooling', modes: ['mean'] }, dense(32, largest), ...wide];
      return ['createModel', `${count} Dense of more parameters than can be counted`, [{ ...spec(), head }, [], 1]];
    }),
    ['createModel', 'a width beyond any machine', [sized({ hiddenSize: largest, vocabSize: largest }), [], 1]],
    [
      'createModel',
      'more parameters than can be counted',
      [sized({ hiddenSize: largest, intermediateSize: largest, layers: 32 }), [], 1],
    ],
    ['createModel', 'a file that is not there', [spec(), [{ path: path.join(folder, 'none'), module: 'encoder' }], 1]],
    ['createModel', 'a folder as file', [spec(), [{ path: folder, module: 'encoder' }], 1]],
    ['createModel', 'a file for a module that is not there', [spec(), [{ path: __filename, module: 5 }], 1]],
    ['createModel', 'a file that is no safetensors', [spec(), [{ path: __filename, module: 'encoder' }], 1]],
    [
      'saveModel',
      'a folder that is not there',
      [model, [{ path: path.join(folder, 'no', 'file'), module: 'encoder' }]],
    ],
    ['saveModel', 'a folder as file', [model, [{ path: folder, module: 'encoder' }]]],
    ['traceForward', 'a folder that is not there', [model, ids, offsets, path.join(folder, 'no', 'file')]],
    ['writeCopy', 'no copy', [trainer, out]],
    ['writeState', 'a folder that is not there', [trainer, path.join(folder, 'no', 'file')]],
    ['restoreState', 'a file that is not there', [trainer, path.join(folder, 'none'), true]],
    ['restoreState', 'a file that is no safetensors', [trainer, __filename, true]],
    ['setTrainerLimit', 'no bytes', [trainer, 0]],
    ['checksum', 'a file that is not there', [path.join(folder, 'none')]],
    ['checksum', 'a folder', [folder]],
    ['lockFile', 'a folder', [folder]],
    ['lockFile', 'a folder that is not there', [path.join(folder, 'no', 'file')]],
    ['createVectors', 'no width', [0, 'fp32', 'cosine']],
    ['createVectors', 'a width beyond int32 sums', [65537, 'int8', 'dot']],
    ['appendVectors', 'half a vector', [vectors, Float32Array.of(1, 2, 3)]],
    ['appendVectors', 'a number that is none', [vectors, Float32Array.of(1, NaN)]],
    ['appendVectors', 'vectors of another type', [vectors, Int8Array.of(1, 2)]],
    ['createVectors', 'bits that are no whole words', [12, 'bits', 'dot']],
    ['readVectors', 'a vector that there is not', [vectors, Int32Array.of(3)]],
    ['readVectors', 'a vector below the first', [vectors, Int32Array.of(-1)]],
    ['createSearch', 'half a query', [vectors, Float32Array.of(1), 1, 3]],
    ['createSearch', 'queries of another type', [vectors, Int8Array.of(1, 2), 1, 3]],
    ['createSearch', 'no hits', [vectors, Float32Array.of(1, 2), 0, 3]],
    ['setThreads', 'no threads', [0]],
    ['setThreads', 'more threads than any machine', [2 ** 31]],
    ['setMemoryLimit', 'no bytes', [0]],
  ];
}

void main();
