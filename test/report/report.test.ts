import { compareRows } from '../../lib/report/comparison';
import { lossWords } from '../../lib/finetune/losses/told';
import { RunEvents } from '../../lib/report/events';
import { lowerIsBetter, measureTitle } from '../../lib/report/names';
import { recordIn } from '../../lib/report/read';
import type { RunRecord } from '../../lib/report/record';
import { renderReport } from '../../lib/report/report';

const hostile = [
  '<script>alert(1)</script>',
  '</script><img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  '<!-- & &amp; &#60; ]]>',
  'a\u0000b\u001b[2J\u202egnp.exe\u2066 \ud800',
  '{{constructor}} $1 </style> </title> </code>',
];

/** A run of some epochs on rows with hostile texts. */
function events(epochs = 3, steps = 20): object[] {
  const metrics = (epoch: number) => ({
    loss: 0.2 / (epoch + 1),
    pearson: 0.5,
    spearman: 0.4 + epoch / 100,
    averagePrecision: 0.7 + epoch / 100,
    f1: { value: 0.8, threshold: 0.61 },
    accuracy: null,
  });
  const list: object[] = [
    {
      type: 'data',
      rows: 100,
      trainingRows: 80,
      validationRows: 20,
      tokens: 1000,
      longest: 30,
      maxInputLength: 64,
      notes: [hostile[0]],
    },
    { type: 'summary', parameters: 1000, precision: 'fp32', device: hostile[2], seed: 1, threads: 2 },
    { type: 'validation', epoch: 0, trainingLoss: null, metrics: metrics(0), best: true },
  ];
  for (let epoch = 1; epoch <= epochs; ++epoch) {
    for (let step = 1; step <= steps; ++step) {
      const totalSteps = (epoch - 1) * steps + step;
      list.push({
        type: 'step',
        epoch,
        step,
        steps,
        totalSteps,
        loss: 1 / totalSteps,
        learningRate: 1e-4 / totalSteps,
      });
    }
    list.push({ type: 'validation', epoch, trainingLoss: 0.1, metrics: metrics(epoch), best: true });
  }
  list.push({
    type: 'done',
    report: {
      bestEpoch: epochs,
      seconds: 12,
      learningRate: 1e-4,
      libtorch: '2.11.0',
      randomPairs: { pairs: 45, before: 0.1, after: 0.6 },
    },
  });
  return list;
}

async function recordOf(
  list: readonly object[],
  similarities?: { wanted: number[]; before: number[]; after: number[] },
): Promise<RunRecord> {
  const run = new RunEvents();
  for (const event of list) run.note(event);
  const comparison =
    similarities === undefined
      ? null
      : await compareRows({
          ...similarities,
          texts: (row) => [hostile[row % hostile.length]!, hostile[(row + 3) % hostile.length]!],
          intervals: { samples: 200, confidence: 0.95, seed: 1 },
        });
  return run.record({
    model: hostile[1]!,
    folder: `/tmp/${hostile[3]}\n`,
    comparison,
    versions: { vectune: '0.1.0' },
    created: new Date(0),
  });
}

const labels = Array.from({ length: 40 }, (_, i) => i % 2);
const labelled = {
  wanted: labels,
  before: labels.map((label, i) => 0.4 + 0.1 * label + (i % 7) / 20),
  after: labels.map((label, i) => 0.2 + 0.5 * label + (i % 5) / 20),
};

/** Names of the elements that a page opens, each with its attributes. */
function elements(page: string): { name: string; attributes: string }[] {
  return [...page.matchAll(/<([a-z][a-z0-9]*)((?:\s+[^\s=<>]+(?:="[^"<>]*")?)*)\s*\/?>/gi)].map((found) => ({
    name: found[1]!.toLowerCase(),
    attributes: found[2]!,
  }));
}

/** What closes must have been opened, in order; void elements and those that close themselves apart. */
function expectWellFormed(page: string): void {
  const open: string[] = [];
  const tags = page
    .replaceAll(/<style>[\s\S]*?<\/style>|<script[^>]*>[\s\S]*?<\/script>|<!doctype html>/g, '')
    .matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g);
  for (const [, closing, name, self] of tags) {
    if (self === '/' || ['meta', 'br', 'img', 'link'].includes(name!)) continue;
    if (closing === '') open.push(name!);
    else expect(open.pop()).toBe(name);
  }
  expect(open).toEqual([]);
}

describe('a run with hostile texts', () => {
  let record: RunRecord;
  let page: string;
  beforeAll(async () => {
    record = await recordOf(events(), labelled);
    page = renderReport(record);
  });

  test('no text becomes markup: the elements are those of the page itself', () => {
    const names = new Set(elements(page).map(({ name }) => name));
    for (const name of ['img', 'iframe', 'link', 'object', 'a', 'base', 'form']) expect(names).not.toContain(name);
    const scripts = elements(page).filter(({ name }) => name === 'script');
    expect(scripts).toEqual([{ name: 'script', attributes: ' type="application/json" id="vectune-run"' }]);
    for (const { attributes } of elements(page)) expect(attributes).not.toMatch(/\son\w+=|\s(?:src|href|style)=/i);
    expectWellFormed(page);
    // They are all there, as text.
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(page).toContain('&#39; onmouseover=&#39;alert(1)');
    expect(page).toContain('\\u001b[2J\\u202egnp.exe\\u2066 \\ud800');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
    expect(page).not.toMatch(/[\u0000\u001b\u202e\u2066]/);
  });

  test('nothing is fetched: the style has no address, the policy allows none', () => {
    const style = /<style>([\s\S]*)<\/style>/.exec(page)![1]!;
    expect(style).not.toMatch(/url\(|@import|https?:/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });

  test('the record is in it, and makes the same page again', () => {
    expect(recordIn(page)).toEqual(JSON.parse(JSON.stringify(record)));
    expect(renderReport(recordIn(page)!)).toBe(page);
    expect(recordIn('<html></html>')).toBeUndefined();
    expect(recordIn('{"format": "vectune-run", "version": 2}')).toBeUndefined();
  });

  test('every part is there, and every number is one', () => {
    for (const heading of [
      'Loss',
      'Average precision',
      'Learning rate',
      'What else moved',
      'Similarities of the validation rows',
      'Precision and recall',
      'Measures on the validation rows',
      'Rows that changed most',
      'How to use the model',
      'Settings',
      'Versions',
    ]) {
      expect(page).toContain(`<h2>${heading}</h2>`);
    }
    const shown = page.slice(0, page.indexOf('<script'));
    expect(shown).not.toMatch(/NaN|undefined|Infinity|\[object/);
    const threshold = record.comparison!.measures['f1Threshold']!.b!;
    expect(page).toContain(`similarity &gt;= ${threshold.toFixed(4)}`);
    expect(page).toContain('more than chance would make');
    expect(page).toContain('the model may be collapsing');
  });
});

test.each<[string, () => Promise<RunRecord>]>([
  ['nothing but steps', () => recordOf(events().filter((event) => (event as { type: string }).type === 'step'))],
  ['one step', () => recordOf(events(1, 1))],
  ['no events at all', () => recordOf([])],
  ['graded scores', () => recordOf(events(), { ...labelled, wanted: labels.map((label, i) => (label + (i % 3)) / 3) })],
  [
    'equal similarities',
    () => recordOf(events(), { wanted: labels, before: labels.map(() => 0.5), after: labels.map(() => 0.5) }),
  ],
  [
    'one label',
    () => recordOf(events(), { wanted: labels.map(() => 1), before: labelled.before, after: labelled.after }),
  ],
  ['losses that are no numbers', () => recordOf(events().map((event) => ({ ...event, loss: Number.NaN })))],
  [
    'events of another version',
    () =>
      recordOf([
        { type: 'validation', epoch: 'x', metrics: null },
        { type: 'step' },
        { type: 'new' },
        7 as never,
        null as never,
      ]),
  ],
])('%s make a page too', async (_, make) => {
  const page = renderReport(await make());
  expectWellFormed(page);
  expect(page.slice(0, page.indexOf('<script'))).not.toMatch(/NaN|undefined|Infinity/);
});

test('a gain within noise is called so, and an untrained model that was kept', async () => {
  const noisy = {
    wanted: labels,
    before: labelled.before,
    after: labelled.before.map((value, i) => value + (i % 3 === 0 ? 0.02 : -0.01)),
  };
  expect(renderReport(await recordOf(events(), noisy))).toContain('That is within noise');
  const list = events(2).map((event) => ({
    ...event,
    ...('best' in event && { best: (event as { epoch?: number }).epoch === 0 }),
  }));
  const none = await recordOf(list.slice(0, -1));
  expect(none.bestEpoch).toBe(0);
  expect(renderReport(none)).toContain('Nothing got better');
});

/** A run on rows of another form than pairs, as its log has it. */
function rankingEvents(verdict: string | null, loss: object = { name: 'triplet', triplet_margin: 0.3 }): object[] {
  const metrics = (epoch: number, own = 'ownMrr10') => ({
    loss: 0.5,
    spearman: null,
    tripletAccuracy: 0.7,
    [own]: 0.61,
    retrieval: { mrr10: 0.5 + epoch / 50, ndcg10: 0.52, recall10: 0.6, accuracy1: 0.4, queries: 20, documents: 90 },
  });
  const gain = { measure: 'mrr10', before: 0.5, after: 0.52, difference: 0.02, confidence: 0.95, verdict };
  const interval = verdict === null ? null : { low: -0.01, high: 0.05 };
  return [
    { type: 'data', rows: 100, trainingRows: 80, validationRows: 20, tokens: 1000, longest: 30, notes: [] },
    { type: 'summary', loss },
    { type: 'validation', epoch: 0, trainingLoss: null, metrics: metrics(0, 'mrr10'), best: true },
    { type: 'validation', epoch: 1, trainingLoss: 0.1, metrics: metrics(1), best: true },
    { type: 'done', report: { bestEpoch: 1, measure: 'mrr10', gain: { ...gain, interval } } },
  ];
}

test('a run on another form than pairs is judged too, and its measures have their names', async () => {
  const page = async (list: object[]) => {
    const run = new RunEvents(lossWords);
    for (const event of list) run.note(event);
    return renderReport(run.record({ model: 'm', folder: null, comparison: null, versions: {}, created: new Date(0) }));
  };
  const noisy = await page(rankingEvents('within noise'));
  expect(noisy).toContain('MRR@10 on the validation rows went from 0.5000 to <strong>0.5200</strong> (+0.0200)');
  expect(noisy).toContain('That is within noise');
  expect(noisy).toContain('95 % interval −0.0100 to +0.0500');
  expect(await page(rankingEvents('better'))).toContain('more than chance would make');
  expect(await page(rankingEvents('worse'))).toContain('that is worse');
  expect(await page(rankingEvents(null))).toContain('too few rows to tell from chance');
  // The row's own negatives under the name that earlier versions had for them too.
  for (const title of [
    'MRR@10',
    'MRR@10 among own negatives',
    'NDCG@10',
    'Recall@10',
    'Accuracy@1',
    'Triplet accuracy',
  ])
    expect(noisy).toContain(`<td>${title}</td>`);
  expect(noisy).toContain(
    '<td>Loss</td><td>triplet: the positive nearer than the negative by a margin (triplet_margin 0.3)',
  );
  expect(await page(rankingEvents(null, { name: 'of another version' }))).toContain(
    '<td>Loss</td><td>of another version',
  );
});

test('what was understood of each set, and what is doubtful about rows, is on the page', async () => {
  const set = (name: string, number: number) => ({ name, number, of: 2 });
  const data = { type: 'data', rows: 10, trainingRows: 8, validationRows: 2, tokens: 100, longest: 9, notes: [] };
  const record = await recordOf([
    { ...data, set: null, understood: 'an earlier run' },
    { ...data, set: set('one', 0), understood: '10 pairs with label 0/1: 5 ones' },
    { ...data, set: set('other', 1), understood: '10 texts of 2 classes' },
    { type: 'data-warning', reason: 'constant-text', message: 'The first text is the same in all rows.' },
  ]);
  expect(record.data.slice(0, 3)).toEqual([
    'one: 10 pairs with label 0/1: 5 ones',
    'other: 10 texts of 2 classes',
    '20 rows: 16 to train on, 4 to validate with.',
  ]);
  expect(record.notes).toEqual(['The first text is the same in all rows.']);
});

test('names of measures, of sets too', () => {
  expect(['knnAccuracy', 'teacherAgreement', 'average', 'mcc', 'several: sets: mrr10'].map(measureTitle)).toEqual([
    'Accuracy of neighbours',
    'Agreement with the teacher',
    "Mean of the sets' measures",
    "Matthews' correlation at best F1",
    'several: sets: MRR@10',
  ]);
  expect(lowerIsBetter('one: loss')).toBe(true);
  expect(lowerIsBetter('one: mrr10')).toBe(false);
});

test('a log that goes on from a checkpoint is one run, a new one begins anew', async () => {
  const first = events(3, 10);
  const until = first.slice(0, 3 + 11 + 5); // in the middle of the second epoch
  const rest = first.slice(3 + 11).filter((event) => (event as { totalSteps?: number }).totalSteps !== 11);
  const restored = {
    type: 'restored',
    from: '/checkpoint',
    totalSteps: 11,
    epoch: 1,
    bestEpoch: 1,
    before: { loss: 1 },
    after: { loss: 0.5 },
    message: 'goes on',
  };
  const resumed = await recordOf([...until, first[0]!, first[1]!, restored, ...rest]);
  expect(resumed.steps.map(({ step }) => step)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  expect(resumed.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2, 3]);
  const again = await recordOf([...first, ...events(1, 4)]);
  expect(again.steps).toHaveLength(4);
  expect(again.epochs).toHaveLength(2);
});

test('of a long run every n-th step is kept', async () => {
  const record = await recordOf(events(1, 30000));
  expect(record.steps.length).toBeLessThanOrEqual(2000);
  expect(record.steps.length).toBeGreaterThan(900);
  const gaps = new Set(record.steps.slice(1).map(({ step }, i) => step - record.steps[i]!.step));
  expect(gaps.size).toBe(1);
});
