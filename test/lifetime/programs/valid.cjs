'use strict';
// What the addon's functions accept, by what their declarations say.
const path = require('node:path');
const { pairsOf, spec, stepRequest, texts, trainerOptions } = require('./engine.cjs');

/** Where `training` of engine.cjs has a handle of the type. */
const handleTypes = { ModelHandle: 'model', DatasetHandle: 'dataset', TrainerHandle: 'trainer' };

const disposers = {
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
  };
}

/** Arguments that a function accepts, as the contract declares its parameters, on these handles. */
function validArguments(name, parameters, handles, folder) {
  return parameters.map(({ name: parameter, type }) => {
    const value = type in handleTypes ? handles[handleTypes[type]] : validValues(folder)[parameter];
    if (value === undefined) throw new Error(`no valid value is known for ${parameter}: ${type} of ${name}`);
    return value;
  });
}

module.exports = { disposeAll, disposers, handleTypes, validArguments, validValues };
