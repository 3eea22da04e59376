import { existsSync, readFileSync } from 'node:fs';
import { recordIn } from '../../lib/report/read';
import type { RunCloseness } from '../../lib/report/record';
import { vectune } from '../checkpoint/vectune';
import { fixture, useModels } from '../public/models';
import { scoredRows } from '../public/rows';

/** From a real run: its log, then the report of it with both models. */

const models = useModels();

test('a run is logged, reported, and reported again with what changed', async () => {
  const data = models.write(
    'rows.jsonl',
    scoredRows()
      .map((row) => JSON.stringify(row))
      .join('\n'),
  );
  const [log, tuned] = [models.path('run.jsonl'), models.path('tuned')];
  const training = [
    '--epochs',
    '2',
    '--batch-size',
    '8',
    '--effective-batch-size',
    '8',
    '--learning-rate',
    '1e-3',
    '--folds',
    '1',
  ];
  const trained = await vectune([
    'finetune',
    data,
    '--model',
    fixture('bert-mean'),
    '--out',
    tuned,
    '--log',
    log,
    ...training,
  ]);
  expect(trained).toMatchObject({ code: 0 });

  const plain = await vectune(['report', log]);
  expect(plain).toMatchObject({ code: 0, stdout: `${models.path('run.html')}\n` });
  const first = recordIn(readFileSync(models.path('run.html'), 'utf8'))!;
  expect(first.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
  expect(first.steps.length).toBeGreaterThan(0);
  expect(first.comparison).toBeNull();
  expect(first.settings['Learning rate']).toBe(1e-3);

  const both = ['--before', fixture('bert-mean'), '--after', tuned, '--data', data, '--out', models.path('more.html')];
  expect(await vectune(['report', models.path('run.html'), ...both])).toMatchObject({ code: 0 });
  const second = recordIn(readFileSync(models.path('more.html'), 'utf8'))!;
  expect(second.steps).toEqual(first.steps);
  expect(second.comparison!.before).toHaveLength(scoredRows().length);
  expect(second.comparison!.before).not.toEqual(second.comparison!.after);

  // Two texts and a label by other names, or by those that are typed.
  const compared = async (head: string, flags: string[]) => {
    const file = models.write('labelled.csv', `${head}\nrain fell,the boats,0\nbridge,the old bridge,1\n`);
    const ends = ['--before', fixture('bert-mean'), '--after', tuned, '--out', models.path('labels.html')];
    const { code, stderr } = await vectune(['report', models.path('run.html'), ...ends, '--data', file, ...flags]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    return recordIn(readFileSync(models.path('labels.html'), 'utf8'))!.comparison!;
  };
  expect((await compared('question,answer,label', [])).before).toHaveLength(2);
  const named = await compared('a,b,c', ['--columns', 'anchor=a,positive=b,score=c']);
  expect(named.before).toHaveLength(2);
}, 60_000);

test("the command's page names the folder, in the command's words, with what stood before the texts", async () => {
  const pairs = scoredRows().filter(({ score }) => score === 1);
  const data = models.write(
    'pairs.csv',
    `question,answer\n${pairs.map(({ text1, text2 }) => `${text1},${text2}`).join('\n')}\n`,
  );
  const [page, out, log] = [models.path('command.html'), models.path('the model'), models.path('command.jsonl')];
  const asked = ['--epochs', '1', '--folds', '1', '--learning-rate', '1e-3', '--validation-split', '0.3'];
  const prompts = ['--prompts', 'anchor=query: ', '--prompts', 'positive=passage: '];
  const flags = ['--model', fixture('bert-mean'), '--out', out, '--report', page, '--log', log, '--dropout', '0'];
  expect(await vectune(['finetune', data, ...flags, ...asked, ...prompts])).toMatchObject({ code: 0 });
  const html = readFileSync(page, 'utf8');
  const record = recordIn(html)!;
  expect(record).toMatchObject({ folder: out, surface: 'cli', model: 'model', form: 'positive-pairs', stopped: null });
  expect(record.prompts).toEqual({ anchor: 'query: ', positive: 'passage: ' });
  const shown = (text: string) => text.replaceAll('&#39;', "'").replaceAll('&quot;', '"').replaceAll('&gt;', '>');
  expect(shown(html)).toContain(`npx vectune embed --model '${out}' --prompt 'query: ' "a question"`);
  expect(shown(html)).toContain(
    `const answers = await tv.embed(['one answer', 'another answer'], { prompt: "passage: " });`,
  );
  expect(shown(html)).toContain(`question = model.encode(["a question"], prompt="query: ")`);
  expect(html).not.toContain('tv.save');
  expect(record.settings).toMatchObject({
    'Before the texts': 'anchor "query: ", positive "passage: "',
    Dropout: 0,
    'Share of the rows held out': 0.3,
  });
  // From the log: what the run was made of, whoever makes the page.
  expect(await vectune(['report', log])).toMatchObject({ code: 0 });
  const again = recordIn(readFileSync(models.path('command.html'), 'utf8'))!;
  expect(again).toMatchObject({ model: 'model', folder: null, surface: 'cli', prompts: record.prompts });
  expect(again.versions).toEqual(record.versions);
  expect(again.settings).toEqual(record.settings);

  // With other rows, of any form: they are named, and nothing of the run's own rows stands beside them.
  const more = ['--before', fixture('bert-mean'), '--after', out, '--query-prompt', 'query: '];
  const held = models.write('held-out.csv', readFileSync(data, 'utf8'));
  expect(await vectune(['report', page, ...more, '--data', held])).toMatchObject({ code: 0 });
  const other = readFileSync(page, 'utf8');
  const compared = recordIn(other)!;
  expect(compared.comparison).toMatchObject({
    kind: 'queries',
    of: { name: 'held-out.csv', rows: new Set(pairs.map(({ text1 }) => text1)).size },
    primary: 'ndcg@10',
    wanted: [],
  });
  expect(compared).toMatchObject({ folder: out, unshown: null, changed: null });
  expect(other).toContain('NDCG@10 on the rows of held-out.csv went from');
  expect(other).toContain('<h2>Measures on the rows of held-out.csv</h2>');
  expect(other).toContain('<h2>Similarities of the rows of held-out.csv</h2>');
  const [near] = compared.closeness as RunCloseness[];
  expect(near!.apartFrom).toBe("another query's text");
  const shownBeforeRows = other.slice(0, other.indexOf('<script'));
  expect(shownBeforeRows).not.toMatch(/NaN|undefined|Infinity/);
}, 120_000);

test.each<[string, string, string, object]>([
  ['triplets', 'anchor,positive,negative', 'rain fell,the boats,old bridge', { kind: 'triplets', primary: 'accuracy' }],
  ['classes', 'text,label', 'rain fell,a', { kind: 'texts', primary: 'knnAccuracy' }],
])(
  'other rows of %s are shown too',
  async (_, head, line, expected) => {
    const words = ['rain fell', 'the boats', 'old bridge', 'stone', 'nobody remembers', 'the old stone bridge'];
    const rows = words.map((text, i) => {
      const cells = line.split(',');
      return [text, ...cells.slice(1).map((cell, k) => (cell === 'a' ? 'ab'[i % 2] : words[(i + k + 1) % 6]))].join(
        ',',
      );
    });
    const data = models.write('form.csv', `${head}\n${rows.join('\n')}\n`);
    const log = models.write(
      'short.jsonl',
      `${JSON.stringify({ type: 'step', epoch: 1, step: 1, steps: 1, totalSteps: 1, loss: 1, learningRate: 1 })}\n`,
    );
    const flags = ['--before', fixture('bert-mean'), '--after', fixture('roberta-mean'), '--data', data];
    expect(await vectune(['report', log, ...flags])).toMatchObject({ code: 0 });
    const record = recordIn(readFileSync(models.path('short.html'), 'utf8'))!;
    expect(record.comparison).toMatchObject(expected);
    const { better, worse } = record.comparison!;
    expect(better.length + worse.length).toBeGreaterThan(0);
    for (const { before, after, change } of [...better, ...worse]) expect(after! - before!).toBeCloseTo(change, 6);
    expect((record.closeness as RunCloseness[])[0]!.together.before.length).toBeGreaterThan(1);
    expect(record.folder).toBe(fixture('roberta-mean'));
  },
  60_000,
);

test('what is no run is refused, and nothing is written', async () => {
  const file = models.write('notes.txt', 'no run\n');
  const refused = await vectune(['report', file]);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('neither the log of a run');
  expect(existsSync(models.path('notes.html'))).toBe(false);
  const half = await vectune(['report', file, '--before', 'x']);
  expect(half.code).toBe(2);
  expect(half.stderr).toContain('belong together');
});
