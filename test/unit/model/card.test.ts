import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '../../../lib/model/open';
import type { CardFacts } from '../../../lib/model/save/card';
import { removeFolders, temporaryFolder } from '../native/support/folders';
import { copyFixture, fixtureFolder, setFields } from './support/fixture';
import { resave, save } from './support/saving';

/** The README.md of a saved model says what it is made of and what was done to it. */

afterAll(removeFolders);

const newTarget = () => join(temporaryFolder(), 'saved');
const card = (folder: string) => readFileSync(join(folder, 'README.md'), 'utf8');

/** Saves a model as though it had come from the hub. */
async function hubCard(facts: CardFacts): Promise<string> {
  const opened = await openModel(fixtureFolder('bert-dense'));
  return card(await save({ ...opened, id: 'owner/tiny', revision: 'abc123' }, newTarget(), facts));
}

/** Rows of the card's tables, by their first cell. */
function rows(text: string): Record<string, string[]> {
  const cells = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(2, -2).split(/(?<!\\) \| /));
  return Object.fromEntries(cells.map(([name, ...rest]) => [name, rest]));
}

const FACTS: CardFacts = {
  trainPairs: 425,
  validationPairs: 75,
  epochs: 6,
  bestEpoch: 4,
  options: { batchSize: 32, learningRate: 2e-5, eps: 1e-8, biasCorrection: false, freeze: 'embeddings' },
  metrics: [
    { name: 'Loss', before: 0.2500001, after: 0.125 },
    { name: 'Spearman', before: 0.5, after: 0.8123456789 },
  ],
  versions: { vectune: '0.1.0', LibTorch: '2.11.0' },
};

test('a model that was trained: its base, what was done, before and after', async () => {
  const text = await hubCard(FACTS);
  expect(text).toMatch(/^---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n/);
  expect(text).toContain('\nbase_model: "owner/tiny"\n');
  expect(text).toContain('\n# tiny, fine-tuned\n');
  expect(text).toContain(
    'It was fine-tuned with vectune from [owner/tiny](https://huggingface.co/owner/tiny) (revision abc123).',
  );
  expect(rows(text)).toMatchObject({
    Architecture: ['bert'],
    Modules: ['Transformer, Pooling (cls), Dense (32 to 24, tanh)'],
    Dimension: ['24'],
    'Longest input': ['18 tokens'],
    'Text pairs trained on': ['425'],
    'Text pairs held out': ['75'],
    'Epochs run': ['6'],
    'Weights of': ['epoch 4'],
    '`batchSize`': ['32'],
    '`learningRate`': ['0.00002'],
    '`eps`': ['1e-8'],
    '`biasCorrection`': ['false'],
    '`freeze`': ['embeddings'],
    'Version of LibTorch': ['2.11.0'],
    Loss: ['0.25', '0.125'],
    Spearman: ['0.5', '0.812346'],
  });
  expect(text).toContain('On 75 pairs that were held out of training');
  expect(rows(text)).not.toHaveProperty('Fine-tuned before, in runs');
});

test('weights that no epoch made better, after runs before this one', async () => {
  expect(rows(await hubCard({ ...FACTS, bestEpoch: 0, earlierRuns: 2 }))).toMatchObject({
    'Weights of': ['before training (no epoch was better)'],
    'Fine-tuned before, in runs': ['2'],
  });
});

test('what is not known is left out', async () => {
  const text = await hubCard({ trainPairs: 3 });
  expect(rows(text)).toMatchObject({ 'Text pairs trained on': ['3'] });
  for (const absent of ['Text pairs held out', 'Epochs run', 'Weights of'])
    expect(rows(text)).not.toHaveProperty([absent]);
  expect(text).not.toContain('## Before and after');
  expect(text).not.toMatch(/undefined|null|NaN/);
});

test('a local model that was not trained: no base model, no training', async () => {
  const text = card(await resave(fixtureFolder('roberta-dense'), newTarget()));
  expect(text).not.toMatch(/base_model|huggingface\.co|## Training|fine-tuned|undefined/);
  expect(text).toContain('\n# model\n');
  expect(text).toContain('It was saved by vectune, unchanged, from a local model named "model".');
  expect(rows(text)['Modules']).toEqual([
    'Transformer, Pooling (cls, max, mean, mean_sqrt_len), Dense (128 to 24, gelu), Dense (24 to 16, tanh), Normalize',
  ]);
});

test('a value cannot break out of its cell', async () => {
  const text = await hubCard({ trainPairs: 1, options: { freeze: 'a | b\n| c' } });
  expect(text).toContain('| `freeze` | a \\| b \\| c |');
});

test('prompts are told, and how to use the folder from TypeScript and from Python', async () => {
  const folder = copyFixture('bert-mean');
  setFields({ prompts: { query: 'query: ', passage: '' } }, folder, 'config_sentence_transformers.json');
  const text = card(await resave(folder, newTarget()));
  expect(text).toContain('Prompts: `query` = "query: ", `passage` = "".');
  expect(text).toContain("import { TextVectorisation, cosineSimilarity } from 'vectune';");
  expect(text).toContain('from sentence_transformers import SentenceTransformer, util');
});
