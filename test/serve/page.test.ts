import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { cosineSimilarity } from '../../lib';
import { CHROMIUM, openBrowser } from './browser';
import { get, useServers } from './servers';

/**
 * The pages at / and /docs, in a real browser. VECTUNE_PICTURES=folder keeps pictures of it, to be looked at.
 */

const servers = useServers();
const inBrowser = CHROMIUM === undefined ? test.skip : test;
const CURL = spawnSync('curl', ['--version']).status === 0;
const PICTURES = process.env['VECTUNE_PICTURES'];

let browser: Browser | undefined;
afterAll(() => browser?.close());

/** A page, and what went wrong in it: errors, what it was forbidden, what it asked of others. */
async function visit(
  url: string,
  options: BrowserContextOptions = {},
  path = '/',
): Promise<{ page: Page; faults: string[] }> {
  browser ??= await openBrowser();
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    // A key that is missing is asked for, and the browser notes that it was.
    if (message.type() === 'error' && !message.text().includes('401')) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) faults.push(request.url());
  });
  await page.goto(`${url}${path}`);
  return { page, faults };
}

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES === undefined) return;
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

const done = (page: Page) => page.locator('#status', { hasText: /texts\. / }).waitFor();
const near = (page: Page) =>
  page.locator('#near tbody tr').evaluateAll((rows) =>
    rows.map((row) => {
      const [text, ...scores] = Array.from(
        row.children,
        (cell) => (cell as unknown as { innerText: string }).innerText,
      );
      return { text, scores: scores.map(Number) };
    }),
  );

test('it needs no key, and may load and ask nothing but this server', async () => {
  const { url } = await servers.start(undefined, { apiKeys: ['open-sesame'] });
  for (const path of ['/', '/docs', '/page/page.css', '/page/page.mjs', '/page/api.mjs', '/page/projection.mjs']) {
    const { status, headers } = await get(`${url}${path}`);
    expect(status).toBe(200);
    expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
  for (const path of ['/', '/docs'])
    expect((await get(`${url}${path}`)).body).not.toMatch(/https?:|style=|<script>|onclick/);
  expect((await get(`${url}/page/served-model.ts`)).status).toBe(401);
  expect((await get(`${url}/page/..%2fserver.js`)).status).toBe(401);
});

inBrowser('two models side by side: similarities, a map, all pairs; by the keyboard alone', async () => {
  const [mean, other] = [servers.model('bert-mean'), servers.model('roberta-mean')];
  const { url } = await servers.start({ base: mean, tuned: other });
  const { page, faults } = await visit(url);
  const texts = ['the old stone bridge', 'rain fell on the boats', 'nobody <b>remembers</b> & "asks"', 'old boats'];
  await page.locator('#model-0 option').first().waitFor({ state: 'attached' });
  expect(await page.locator('#model-1').inputValue()).toBe('1');
  await page.locator('#texts').focus();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(`${texts.join('\n')}\n\n`);
  await page.keyboard.press('Control+Enter');
  await done(page);

  const vectors = [await mean.embed(texts), await other.embed(texts)] as const;
  const expected = (chosen: number) =>
    texts
      .map((text, i) => ({
        text,
        scores: vectors.map((of) => Number(cosineSimilarity(of[chosen]!, of[i]!).toFixed(3))),
      }))
      .filter((_, i) => i !== chosen)
      .sort((a, b) => b.scores[0]! - a.scores[0]!);
  const shown = await near(page);
  expect(shown.map(({ text }) => text)).toEqual(expected(0).map(({ text }) => text));
  shown.forEach(({ scores }, i) => {
    for (const side of [0, 1]) expect(Math.abs(scores[side]! - expected(0)[i]!.scores[side]!)).toBeLessThan(0.002);
  });

  // Another text by the keyboard: the list, the maps and the choice go along.
  await page.locator('#anchor').focus();
  await page.keyboard.press('ArrowDown');
  expect((await near(page)).map(({ text }) => text)).toEqual(expected(1).map(({ text }) => text));
  expect(
    await page.locator('#maps g.chosen').evaluateAll((all) => all.map((g) => g.getAttribute('data-text'))),
  ).toEqual(['1', '1']);
  // By the other model's order.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const byOther = (await near(page)).map(({ scores }) => scores[1]!);
  expect(byOther).toEqual([...byOther].sort((a, b) => b - a));
  expect(await page.locator('#near th[aria-sort]').innerText()).toMatch(/^tuned/);
  // By a point of the map.
  await page.locator('#maps figure').nth(1).locator('g[data-text="2"] circle').click();
  expect(await page.locator('#anchor').inputValue()).toBe('2');
  // By a text of the list; the focus goes to where the text stands now.
  await page.locator('#near .text', { hasText: 'old boats' }).focus();
  await page.keyboard.press('Enter');
  expect(await page.locator('#anchor').inputValue()).toBe('3');
  expect(await page.evaluate('document.activeElement.id')).toBe('anchor');

  // Texts are texts.
  expect(await page.locator('#results b').count()).toBe(0);
  expect(await page.locator('#all td').count()).toBe(2 * 16);
  expect(faults).toEqual([]);
});

inBrowser('a server that asks for a key: none, a wrong one, the right one', async () => {
  const { url } = await servers.start(undefined, { apiKeys: ['open-sesame'] });
  const { page, faults } = await visit(url);
  await page.locator('#status', { hasText: 'Give the key of this server.' }).waitFor();
  expect(await page.evaluate('document.activeElement.id')).toBe('key');
  await page.keyboard.type('wrong');
  await page.keyboard.press('Enter');
  await page.locator('#status.bad', { hasText: 'This key is not one of the server.' }).waitFor();
  await page.locator('#key').fill('open-sesame');
  await page.keyboard.press('Enter');
  await done(page);
  expect(await page.locator('#near tbody tr').count()).toBe(7);
  expect(await page.locator('#maps figure').count()).toBe(1);
  expect(faults).toEqual([]);
});

inBrowser('what the server refuses is told in its words, and the page goes on', async () => {
  const { server, url } = await servers.start(undefined, { maxQueuedTokens: 30 });
  const { page } = await visit(url);
  await page.locator('#model-0 option').first().waitFor({ state: 'attached' });
  await page.locator('#texts').fill('only one');
  await page.locator('#compare').click();
  await page.locator('#status.bad', { hasText: 'Give two texts or more.' }).waitFor();
  await page.locator('#texts').fill(Array(40).fill('rain fell on the boats').join('\n'));
  await page.locator('#compare').click();
  await page.locator('#status.bad', { hasText: 'the server takes at most 30 at a time' }).waitFor();
  await page.locator('#texts').fill('rain\nboats');
  await page.locator('#compare').click();
  await done(page);
  await server.close();
  await page.locator('#compare').click();
  await page.locator('#status.bad', { hasText: 'The server does not answer.' }).waitFor();
});

inBrowser('the map: the plane in which points lie is found, and two maps lie as near as they can', async () => {
  const { url } = await servers.start();
  const { page } = await visit(url);
  const { error, shares, turned, flat } = (await page.evaluate(`(async () => {
    const { plane, aligned } = await import('./page/projection.mjs');
    // Points of a plane, turned into seven dimensions by two orthogonal vectors.
    const points = Array.from({ length: 9 }, (_, i) => [3 * Math.sin(2 * i), Math.cos(5 * i + 1)]);
    const u = [3, 0, 4, 0, 0, 0, 0].map((x) => x / 5);
    const v = [0, 0, 0, 5, 0, 12, 0].map((x) => x / 13);
    const vectors = points.map(([x, y]) => u.map((one, i) => 7 + x * one + y * v[i]));
    const found = plane(vectors);
    const distance = (all, i, j) => Math.hypot(all[i][0] - all[j][0], all[i][1] - all[j][1]);
    let error = 0;
    for (let i = 0; i < 9; ++i)
      for (let j = 0; j < 9; ++j) error = Math.max(error, Math.abs(distance(points, i, j) - distance(found.points, i, j)));
    const other = found.points.map(([x, y]) => [0.6 * x + 0.8 * y, 0.8 * x - 0.6 * y]); // turned and mirrored
    const back = aligned(other, found.points);
    const turned = Math.max(...back.flatMap(([x, y], i) => [Math.abs(x - found.points[i][0]), Math.abs(y - found.points[i][1])]));
    const same = plane(Array(4).fill([0.6, 0.8]));
    return { error, shares: found.shares, turned, flat: same };
  })()`)) as { error: number; shares: number[]; turned: number; flat: { points: number[][]; shares: number[] } };
  expect(error).toBeLessThan(1e-6);
  expect(turned).toBeLessThan(1e-9);
  expect(shares[0]! + shares[1]!).toBeCloseTo(1, 9);
  expect(shares[0]!).toBeGreaterThan(shares[1]!);
  expect(flat).toEqual({ points: Array(4).fill([0, 0]), shares: [0, 0] });
});

inBrowser('wide and narrow, light and dark: nothing is wider than the screen', async () => {
  const { url } = await servers.start({ base: servers.model('bert-mean'), tuned: servers.model('roberta-mean') });
  for (const [width, height] of [
    [1280, 900],
    [390, 844],
  ] as const)
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, faults } = await visit(url, { viewport: { width, height }, colorScheme });
      await page.locator('#model-0 option').first().waitFor({ state: 'attached' });
      await page.locator('#compare').click();
      await done(page);
      await picture(page, `page-${width}-${colorScheme}`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      const background = (await page.evaluate('getComputedStyle(document.body).backgroundColor')) as string;
      const [light] = background.match(/\d+/g)!.map(Number);
      expect(light! > 128).toBe(colorScheme === 'light');
      expect(faults).toEqual([]);
    }
});

inBrowser('/docs: every endpoint with its fields, and a line of curl that works as it stands', async () => {
  const { url } = await servers.start({ tuned: servers.model() }, { apiKeys: ["open-'sesame"] });
  const { page, faults } = await visit(url, {}, '/docs');
  await page.locator('#endpoints section').first().waitFor();
  const { paths } = (await get(`${url}/openapi.json`)).body as { paths: Record<string, object> };
  expect(await page.locator('#endpoints h2 code').allInnerTexts()).toEqual(Object.keys(paths));
  expect(await page.locator('#contents a').count()).toBe(Object.keys(paths).length);
  const lines = await page.locator('#endpoints pre').allInnerTexts();
  if (!CURL) console.log('The lines of curl are not tried: there is no curl.');
  const answers = await Promise.all(
    (CURL ? lines : []).map(async (line, i) => {
      const typed = line.replace('{model}', 'tuned');
      const { stdout } = await promisify(execFile)('bash', ['-c', `${typed} -s -o /dev/null -w '%{http_code}'`], {
        env: { ...process.env, KEY: "open-'sesame" },
      });
      return [Object.keys(paths)[i], stdout];
    }),
  );
  if (CURL) expect(answers).toEqual(Object.keys(paths).map((path) => [path, '200']));
  const body = page.locator('#v1-embeddings table.fields').first();
  expect(await body.locator('tbody th code').allInnerTexts()).toEqual([
    'input',
    'model',
    'encoding_format',
    'dimensions',
    'prompt_name',
    'input_type',
    'user',
  ]);
  expect(await body.locator('tbody tr').first().innerText()).toMatch(
    /input required\s+text or list of texts or list of integers or list of lists of integers\s/,
  );
  // No key is asked for: none is in the lines.
  const open = await servers.start();
  const other = await visit(open.url, {}, '/docs');
  await other.page.locator('#endpoints section').first().waitFor();
  expect((await other.page.locator('#endpoints pre').allInnerTexts()).join()).not.toMatch(/Bearer/);
  expect([...faults, ...other.faults]).toEqual([]);
});

inBrowser('/docs, wide and narrow, light and dark: nothing is wider than the screen', async () => {
  const { url } = await servers.start();
  for (const [width, height, colorScheme] of [
    [1280, 900, 'light'],
    [390, 844, 'dark'],
  ] as const) {
    const { page, faults } = await visit(url, { viewport: { width, height }, colorScheme }, '/docs');
    await page.locator('#endpoints section').first().waitFor();
    await picture(page, `docs-${width}-${colorScheme}`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(faults).toEqual([]);
  }
});
