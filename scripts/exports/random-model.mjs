// A model folder like one of the tiny ones of the tests, of other sizes and with random weights: for exports at the size
// of models whose weights cannot be had.
import { createRequire } from 'node:module';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DIST, ROOT } from '../setup/paths.mjs';

const require = createRequire(import.meta.url);
const compiled = (path) => require(join(DIST, path));

/**
 * @param like one of test/parity/fixtures, with mean pooling
 * @param sizes what its config.json says otherwise; undefined takes a field out
 */
export async function randomModel(folder, like, sizes) {
  cpSync(join(ROOT, 'test', 'parity', 'fixtures', like, 'model'), folder, { recursive: true });
  const put = (name, value) => writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  const file = join(folder, 'config.json');
  const config = JSON.parse(JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...sizes }));
  put('config.json', config);
  const encoder = compiled('model/folder/encoder-config.js').readEncoderSpec(config, file);
  put('sentence_bert_config.json', {
    max_seq_length: encoder.positions - encoder.positionOffset,
    do_lower_case: false,
  });
  const pooling = join('1_Pooling', 'config.json');
  put(pooling, {
    ...JSON.parse(readFileSync(join(folder, pooling), 'utf8')),
    word_embedding_dimension: encoder.hiddenSize,
  });
  put('modules.json', JSON.parse(readFileSync(join(folder, 'modules.json'), 'utf8')).slice(0, 2));
  rmSync(join(folder, 'model.safetensors'));
  const addon = await compiled('engine/load.js').loadEngine();
  const model = await addon.createModel({ encoder, head: [{ kind: 'pooling', modes: ['mean'] }] }, [], 1);
  try {
    await addon.saveModel(model, [{ path: join(folder, 'model.safetensors'), module: 'encoder' }]);
  } finally {
    addon.disposeModel(model);
  }
  return folder;
}
