import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { compareRows } from '../../lib/report/comparison';
import { RunEvents } from '../../lib/report/events';
import type { RunRecord } from '../../lib/report/record';
import { renderReport } from '../../lib/report/report';
import { CHROMIUM, openBrowser } from '../serve/browser';

/**
 * The page of a run in a real browser, without scripts and without a network. VECTUNE_PICTURES=folder keeps pictures of it,
 * to be looked at.
 */

const inBrowser = CHROMIUM === undefined ? describe.skip : describe;
const PICTURES = process.env['VECTUNE_PICTURES'];

const long = 'averyveryverylongwordwithoutanyplacetobreakit'.repeat(4);
const folder = mkdtempSync(join(tmpdir(), 'vectune-page-'));
let browser: Browser | undefined;
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

function events(form: string, metrics: (epoch: number) => object, report: object): object[] {
  const data = { rows: 4000, trainingRows: 3400, validationRows: 600, tokens: 120000, longest: 64, notes: [long] };
  const list: object[] = [
    { type: 'data', set: null, form, understood: `4,000 rows; columns ${long}, answer`, ...data },
    {
      type: 'summary',
      model: 'sentence-transformers/all-MiniLM-L6-v2',
      versions: { vectune: '0.1.0', LibTorch: '2.11.0', 'Node.js': '22.0.0' },
      recipe: 'positives',
      loss: { name: 'multiple-negatives-ranking', scale: 20 },
      settings: {
        prompts: { anchor: 'query: ', positive: 'passage: ' },
        dropout: 0.1,
        freeze: ['embeddings'],
        merge: [1, 0.5],
      },
    },
    { type: 'validation', epoch: 0, trainingLoss: null, metrics: metrics(0), best: true },
  ];
  const tried = [1, 0.85, 0.5].map((share) => ({ share, value: 0.8 + share / 100, kept: 0.82 - share / 100 }));
  for (let epoch = 1; epoch <= 3; ++epoch) {
    for (let step = 1; step <= 40; ++step)
      list.push({
        type: 'step',
        epoch,
        step,
        steps: 40,
        totalSteps: 40 * (epoch - 1) + step,
        loss: 2 / (epoch + step / 40) + (step % 3) / 10,
        learningRate: 5e-5 * (1 - (40 * (epoch - 1) + step) / 120),
      });
    list.push({
      type: 'validation',
      epoch,
      trainingLoss: 0.4,
      metrics: metrics(epoch),
      share: 0.85,
      tried,
      best: epoch < 3,
    });
  }
  list.push({
    type: 'done',
    report: {
      bestEpoch: 2,
      seconds: 812,
      randomPairs: { pairs: 256, before: 0.05, after: 0.09, spearman: 0.93, meanChange: 0.04 },
      kept: { measure: 'spearman', rows: 1500, before: 0.82, after: 0.818, margin: 0.01, bound: true },
      search: {
        measure: 'mrr10',
        minutes: 5,
        rows: { training: 1000, validation: 500 },
        trials: [
          { learningRate: 2e-5, effectiveBatchSize: 64, value: 0.61, seconds: 41 },
          { learningRate: 4e-5, effectiveBatchSize: null, value: 0.64, seconds: 40 },
        ],
        chosen: { learningRate: 4e-5, effectiveBatchSize: null },
      },
      ...report,
    },
  });
  return list;
}

const more = {
  model: 'sentence-transformers/all-MiniLM-L6-v2',
  versions: {},
  created: new Date(0),
  surface: 'cli' as const,
};

async function labelled(): Promise<RunRecord> {
  const metrics = (epoch: number) => ({
    loss: 0.2 - epoch / 50,
    spearman: 0.5 + epoch / 30,
    averagePrecision: 0.76 + epoch / 40,
    f1: { value: 0.7, threshold: 0.6 },
    accuracy: { value: 0.8, threshold: 0.65 },
    mcc: 0.5,
  });
  const run = new RunEvents();
  for (const event of events('labelled-pairs', metrics, { measure: 'averagePrecision' })) run.note(event);
  const wanted = Array.from({ length: 300 }, (_, i) => i % 2);
  const comparison = await compareRows({
    wanted,
    before: wanted.map((label, i) => 0.4 + 0.15 * label + ((i * 7) % 31) / 60),
    after: wanted.map((label, i) => 0.2 + 0.45 * label + ((i * 11) % 37) / 80),
    texts: (i) => [`How do I ${i}? ${long}`, 'What is the way to do it <b>at all</b>?'],
    intervals: { samples: 200, confidence: 0.95, seed: 1 },
  });
  return run.record({ ...more, folder: `/home/someone/models/${long}`, comparison });
}

function ranking(): Promise<RunRecord> {
  const metrics = (epoch: number) => ({
    loss: 1.2 - epoch / 5,
    spearman: null,
    retrieval: { mrr10: 0.6 + epoch / 40, ndcg10: 0.65, recall10: 0.8, accuracy1: 0.5, queries: 300, documents: 2000 },
  });
  const gain = { measure: 'mrr10', before: 0.6, after: 0.65, difference: 0.05, confidence: 0.95, verdict: 'better' };
  const run = new RunEvents();
  const report = { measure: 'mrr10', gain: { ...gain, interval: { low: 0.02, high: 0.08 } } };
  for (const event of events('positive-pairs', metrics, report)) run.note(event);
  const values = (from: number) => Array.from({ length: 200 }, (_, i) => from + ((i * 7) % 41) / 100);
  const row = (i: number) => ({
    row: i,
    change: 0.5,
    texts: [`Where is it, number ${i}?`],
    wanted: `It is here. ${long}`,
    before: 4,
    after: i % 2 === 0 ? 1 : null,
    answers: { a: { place: 4, first: 'Nowhere.' }, b: { place: 1, first: `It is here. ${long}` } },
  });
  return Promise.resolve(
    run.record({
      ...more,
      folder: 'tuned',
      comparison: null,
      stopped: 'It was stopped.',
      changed: { kind: 'queries', better: [0, 1, 2].map(row), worse: [3, 4].map(row) },
      closeness: [
        {
          together: { before: values(0.3), after: values(0.5) },
          apart: { before: values(0), after: values(-0.1) },
          apartFrom: "another row's positive",
        },
      ],
    }),
  );
}

inBrowser.each<[string, () => Promise<RunRecord>, string[]]>([
  [
    'labelled',
    labelled,
    [
      'Similarities of the validation rows',
      'Precision and recall',
      'Rows that changed most',
      'Shares of the trained weights',
    ],
  ],
  [
    'ranking',
    ranking,
    [
      'MRR@10',
      'Rows that changed most',
      'Search for learning rate and batch',
      'What was to be kept',
      'What else moved',
    ],
  ],
])('%s', (name, make, headings) => {
  const widths = [1280, 390];
  const schemes = ['light', 'dark'] as const;
  test.each(widths.flatMap((width) => schemes.map((scheme) => [width, scheme] as const)))(
    'at %i pixels, %s: all is there, nothing goes beyond the edge, nothing is asked for',
    async (width, colorScheme) => {
      const file = join(folder, `${name}.html`);
      writeFileSync(file, renderReport(await make()));
      browser ??= await openBrowser();
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        colorScheme,
        javaScriptEnabled: false,
        offline: true,
      });
      try {
        const page = await context.newPage();
        const asked: string[] = [];
        page.on('request', (request) => asked.push(request.url()));
        const url = pathToFileURL(file).href;
        await page.goto(url);
        expect(asked).toEqual([url]);
        if (PICTURES !== undefined) {
          mkdirSync(PICTURES, { recursive: true });
          await page.screenshot({ path: join(PICTURES, `${name}-${width}-${colorScheme}.png`), fullPage: true });
        }
        // Boxes, as the page cannot be asked without scripts.
        const beyond: string[] = [];
        const parts = page.locator('section, .half, h1, h2, h3, p, svg, .verdict, dl, footer, .scroll, pre, .rows td');
        for (const part of await parts.all()) {
          const box = await part.boundingBox();
          if (box !== null && (box.x < 0 || box.x + box.width > width + 0.5))
            beyond.push((await part.innerText()).slice(0, 60));
        }
        expect(beyond).toEqual([]);
        const text = await page.locator('main').innerText();
        for (const heading of [...headings, 'Settings', 'Versions', 'How to use the model'])
          expect(text).toContain(heading);
        expect(text).not.toMatch(/NaN|undefined|Infinity|\[object/);
        for (const chart of await page.locator('svg').all()) {
          const box = await chart.boundingBox();
          expect(Math.min(box!.width, box!.height)).toBeGreaterThan(60);
        }
      } finally {
        await context.close();
      }
    },
    60_000,
  );
});
