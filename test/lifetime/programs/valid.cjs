'use strict';
// What the addon's functions accept, by what their declarations say.
const path = require('node:path');
const { pairsOf, spec, stepRequest, texts, trainerOptions, training: trainingOnly } = require('./engine.cjs');

/** Where `training` has a handle of the type. */
const handleTypes = {
  ModelHandle: 'model',
  DatasetHandle: 'dataset',
  TrainerHandle: 'trainer',
  VectorsHandle: 'vectors',
  SearchHandle: 'search',
};

/** As that of engine.cjs, of a trainer that can blend, with vectors and a search of them that has come to its end. */
async function training(engine, options) {
  const { trainer: plain, ...made } = await trainingOnly(engine, options);
  engine.disposeTrainer(plain);
  const trainer = await engine.createTrainer(made.model, made.dataset, { ...trainerOptions, keepBase: true });
  const vectors = await engine.createVectors(2, 'fp32', 'cosine');
  await engine.appendVectors(vectors, Float32Array.of(1, 0, 0, 1, 1, 1));
  const search = await engine.createSearch(vectors, Float32Array.of(1, 2), 2, 3);
  await engine.searchStep(search);
  return { ...made, trainer, vectors, search };
}

const disposers = {
  SearchHandle: (engine, { search }) => engine.disposeSearch(search),
  VectorsHandle: (engine, { vectors }) => engine.disposeVectors(vectors),
  TrainerHandle: (engine, { trainer }) => engine.disposeTrainer(trainer),
  DatasetHandle: (engine, { dataset }) => engine.disposeDataset(dataset),
  ModelHandle: (engine, { model }) => engine.disposeModel(model),
};
const disposeAll = (engine, made) => Object.values(disposers).forEach((dispose) => dispose(engine, made));

/** Values that every function accepts, by the name of the parameter. */
function validValues(folder) {
  const { ids, offsets } = texts(4, 6);
  return {
    spec: spec(),
    files: [],
    seed: 1,
    ids,
    offsets,
    columns: pairsOf(2)[0],
    rowOffsets: pairsOf(2)[1],
    labels: Float32Array.of(0, 1),
    precision: 'fp32',
    path: path.join(folder, 'trace.safetensors'),
    rows: Int32Array.of(0, 1),
    microBatch: 2,
    batch: 2,
    epoch: 0,
    promptTokens: 0,
    unpooled: new Int32Array(4),
    sets: [{ rows: 2, labelWidth: 1 }],
    options: { ...trainerOptions },
    request: stepRequest(Int32Array.of(0, 1)),
    bytes: null,
    threads: 1,
    nth: 0,
    lock: 1,
    device: 'cpu',
    fraction: null,
    resetPeak: true,
    wanted: true,
    replayDecay: true,
    width: 2,
    type: 'fp32',
    similarity: 'cosine',
    numbers: Float32Array.of(1, 2),
    queries: Float32Array.of(1, 2),
    k: 1,
    count: 3,
    shares: [0.25, 0.75],
    merging: 'linear',
    texts: Int32Array.of(0, 1),
    atOnce: 2,
    share: 1,
  };
}

/** Arguments that a function accepts, as the contract declares its parameters, on these handles. */
function validArguments(name, parameters, handles, folder) {
  return parameters.map(({ name: parameter, type }) => {
    const one = handles[handleTypes[type.replace('[]', '')]];
    const handle = type.endsWith('[]') && one !== undefined ? [one, one] : one;
    const value = handle ?? validValues(folder)[parameter];
    if (value === undefined) throw new Error(`no valid value is known for ${parameter}: ${type} of ${name}`);
    return value;
  });
}

module.exports = { disposeAll, disposers, handleTypes, training, validArguments, validValues };
