import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyFixture, fixtureFolder, setFields } from '../unit/model/support/fixture';
import { removeFolders, temporaryFolder } from '../unit/native/support/folders';
import { vectune } from '../unit/cli/run';
import { scoredRows } from './rows';

/** What was assumed of a model is told who types a command, once, on the standard error. */

afterAll(removeFolders);

const NO_MODULES = /^note: The folder has no modules\.json: .*mean of the token vectors/m;
const UNPROMPTED =
  /^note: \S+ was trained with a prompt before each text \(query: 'query: '\), and texts were embedded/m;

/** A folder of transformers alone. */
function plain(): string {
  const folder = join(temporaryFolder(), 'plain');
  mkdirSync(folder);
  for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'])
    cpSync(join(fixtureFolder('bert-mean'), file), join(folder, file));
  return folder;
}

function prompted(): string {
  const folder = copyFixture('bert-mean');
  setFields({ prompts: { query: 'query: ' } }, folder, 'config_sentence_transformers.json');
  return folder;
}

function rows(): string {
  const file = join(temporaryFolder(), 'rows.csv');
  const lines = scoredRows().map(({ text1, text2, score }) => `"${text1}","${text2}",${score}`);
  writeFileSync(file, `text1,text2,score\n${lines.join('\n')}\n`);
  return file;
}

const times = (text: string, note: RegExp) => text.match(new RegExp(note.source, 'gm'))?.length ?? 0;

test('embed', async () => {
  const folder = prompted();
  // More texts than are embedded at once.
  const texts = Array.from({ length: 1100 }, (_, i) => `rain ${i % 7}`).join('\n');
  const { code, stdout, stderr } = await vectune(['embed', '--model', folder], texts);
  expect([code, stdout.trimEnd().split('\n').length, times(stderr, UNPROMPTED)]).toEqual([0, 1100, 1]);
  const out = join(temporaryFolder(), 'out.jsonl');
  const toFile = await vectune(['embed', '--model', folder, '--out', out, 'rain', 'boats on the river']);
  expect(times(toFile.stderr, UNPROMPTED)).toBe(1);
  expect((await vectune(['embed', '--model', folder, '--prompt', 'query', 'rain', 'the river'])).stderr).toBe('');
  expect(times((await vectune(['embed', '--model', plain(), 'rain', 'the river'])).stderr, NO_MODULES)).toBe(1);
}, 60_000);

test('evaluate and compare, with what they print', async () => {
  const [data, folder, other] = [rows(), prompted(), plain()];
  const one = await vectune(['evaluate', data, '--model', folder, '--json']);
  expect(one.code).toBe(0);
  const { notes } = JSON.parse(one.stdout) as { notes: string[] };
  expect(
    notes.filter((note) => /was trained with a prompt before each text \(query: 'query: '\)/.test(note)),
  ).toHaveLength(1);
  const both = await vectune(['compare', folder, other, data]);
  expect([both.code, times(both.stdout, /has no modules\.json: .*mean of the/)]).toEqual([0, 1]);
}, 60_000);

test('finetune', async () => {
  const out = join(temporaryFolder(), 'tuned');
  const run = ['finetune', rows(), '--model', plain(), '--out', out, '--epochs', '1', '--batch-size', '8'];
  const { code, stderr } = await vectune(run);
  expect(code).toBe(0);
  expect(times(stderr, /^The folder has no modules\.json: .*mean of the token vectors/)).toBe(1);
}, 60_000);
