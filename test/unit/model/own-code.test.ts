import { openModel } from '../../../lib/model/open';
import { ModelError } from '../../../lib/system/errors';
import { removeFolders } from '../native/support/folders';
import { folderVectors } from './support/engine';
import { copyFixture, fixtureFolder, setFields } from './support/fixture';
import { rejection } from './support/rejection';

/** Models that come with code of their own, whose files do not say all of what that computes. */

afterAll(removeFolders);

const OWN = { auto_map: { AutoModel: 'modeling_qwen.Qwen2Model' }, is_causal: undefined };

test('a Qwen2 that does not say which sides its tokens see', async () => {
  const folder = copyFixture('qwen2-lasttoken');
  setFields(OWN, folder, 'config.json');
  const error = await rejection(openModel(folder), ModelError, 'ERR_UNKNOWN_ARCHITECTURE');
  expect(error.message).toMatch(/"auto_map".*Write "is_causal": false into it where they do/s);
});

test.each([true, false])('and one that does: is_causal %s', async (causal) => {
  const folder = copyFixture('qwen2-lasttoken');
  setFields({ ...OWN, is_causal: causal }, folder, 'config.json');
  const vectors = await folderVectors(folder);
  const same = JSON.stringify(vectors) === JSON.stringify(await folderVectors(fixtureFolder('qwen2-lasttoken')));
  expect(same).toBe(causal);
});
