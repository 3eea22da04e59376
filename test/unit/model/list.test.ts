import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { markdownTable } from '../../../lib/cli/models';
import { readEncoderSpec } from '../../../lib/model/folder/encoder-config';
import { MODEL2VEC } from '../../../lib/model/folder/static-embedding';
import { listModels } from '../../../lib/model/list';
import { withKnownPrompts } from '../../../lib/model/prompts';
import { models } from '../../../lib/model/presets';
import { hasCode } from '../../../lib/system/errors';

/** The models that most use, as they are listed. */

test('twenty are listed, each under its name in models, with all that is told of it', () => {
  const list = listModels();
  expect(list).toHaveLength(20);
  expect(new Set(list.map(({ id }) => id)).size).toBe(20);
  for (const model of list) {
    expect(models[model.name as keyof typeof models].id).toBe(model.id);
    expect(model.parameters).toBeGreaterThan(1e6);
    expect(model.languages).toMatch(/^(?:English|(?:over )?\d+)$/);
    expect(['Apache-2.0', 'MIT', 'Gemma']).toContain(model.license);
    expect(model.goodFor).not.toBe('');
    expect(model.prompts).toEqual(withKnownPrompts({}, model.id).prompts);
    expect('wheel' in model).toBe(false);
  }
});

test('a model runs where a folder of its kind is not refused', () => {
  const list = listModels();
  expect(new Set(list.map(({ runs }) => runs)).size).toBeGreaterThan(0);
  for (const { modelType, runs, id } of list) {
    if (modelType === MODEL2VEC) continue; // has no encoder; test/parity/static.test.ts opens one
    let refused = false;
    try {
      // What else the configuration must say is refused with another code.
      readEncoderSpec({ model_type: modelType }, 'config.json');
    } catch (error) {
      refused = hasCode(error, 'ERR_UNKNOWN_ARCHITECTURE');
    }
    expect([id, runs]).toEqual([id, !refused]);
  }
  expect(list.find(({ name }) => name === 'AllMiniLML6V2')!.runs).toBe(true);
});

test('docs/models.md has the list as it is (npx vectune models --markdown)', () => {
  const text = readFileSync(join(__dirname, '../../../docs/models.md'), 'utf8');
  expect(text).toContain(`\n${markdownTable(listModels())}`);
});
