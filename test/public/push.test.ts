import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pushFolder, type ExportOptions, type PushEvent, type TextVectorisation } from '../../lib';
import { useCleanEnvironment } from '../unit/model/support/environment';
import { filesBelow, HubServer, type Files } from '../unit/model/support/hub-server';
import { bits, fixture, PROBE_TEXTS, useModels } from './models';
import { scoredRows } from './rows';
import { finish } from './runs';

const models = useModels();
useCleanEnvironment();

const TOKEN = 'hf_secretSecretSecret';
const REPO = 'acme/support';

let hub: HubServer;
beforeEach(async () => {
  hub = await HubServer.start();
});
afterEach(() => hub.stop());

const there = () => ({ hubUrl: hub.url, accessToken: TOKEN });
const head = (): Files => {
  const repository = hub.repositories.get(REPO)!;
  return repository.commits[repository.references['main']!]!;
};
const commits = () => Object.keys(hub.repositories.get(REPO)!.commits).length;
const sent = () => hub.requests.filter(({ method, path }) => method === 'PUT' && path.startsWith('/storage/')).length;
const leftovers = () => readdirSync(tmpdir()).filter((name) => name.startsWith('vectune-push-'));

async function saved(model: TextVectorisation, name = 'saved'): Promise<string> {
  return model.save(models.path(name));
}

describe('push', () => {
  test('makes a private repository with the model as one commit, which opens with the same vectors', async () => {
    const model = models.open(fixture('distilbert-dense'));
    const before = leftovers();
    const report = await model.push(REPO, { ...there(), message: 'First' });
    expect(report).toMatchObject({ repo: REPO, url: `${hub.url}/${REPO}`, removed: [] });
    expect(hub.repositories.get(REPO)).toMatchObject({ visibility: 'private', references: { main: report.commit } });
    expect([commits(), hub.messages]).toEqual([2, ['First']]); // one of its own, and the model
    expect(report.files.map(({ path }) => path)).toEqual(
      Object.keys(head())
        .filter((path) => path !== '.gitattributes')
        .sort(),
    );
    expect(report.files.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['model.safetensors', '2_Dense/model.safetensors']),
    );
    expect(leftovers()).toEqual(before);

    const fetched = models.open(REPO, { hubUrl: hub.url, cacheFolder: models.path('cache') });
    expect(bits(await fetched.embed(PROBE_TEXTS)) === bits(await model.embed(PROBE_TEXTS))).toBe(true);
  });

  test('has a card with data, recipe, measures, thresholds and examples, and none of the texts', async () => {
    const model = models.open(fixture('bert-mean'));
    const rows = scoredRows().map((row) => ({ ...row, score: row.score > 0.5 ? 1 : 0 }));
    await finish(model, rows, { epochs: 2, learningRate: 1e-3, earlyStopping: false, precision: 'fp32' });
    await model.push(REPO, {
      ...there(),
      license: 'apache-2.0',
      languages: ['en', 'de'],
      examples: [{ text: 'where "is" it?', others: ['here', 'there | now'] }],
    });
    const card = head()['README.md']!.toString();
    const [, front, body] = /^---\n(.*?)\n---\n(.*)$/s.exec(card)!;
    expect(front).toContain(
      'widget:\n- source_sentence: "where \\"is\\" it?"\n  sentences:\n  - "here"\n  - "there | now"',
    );
    expect(front).toContain('license: "apache-2.0"\nlanguage:\n- "en"\n- "de"');
    for (const part of [
      '## Training',
      '| Data | 60 pairs',
      '| `recipe` |',
      '## Before and after',
      '## Threshold',
      '## Examples',
    ])
      expect(body).toContain(part);
    expect(body).toMatch(/\| where "is" it\? \| there \\\| now \| -?\d\.\d{3} \|/);
    expect(body).toContain(`new TextVectorisation('${REPO}')`);
    expect(body).not.toContain(rows[0]!.text1);
  });

  test('leaves a repository that holds a model alone, unless it is forced to', async () => {
    const first = models.open(fixture('bert-dense'));
    await first.push(REPO, there());
    const [old, count] = [head(), commits()];
    const other = models.open(fixture('distilbert-mean'));
    await expect(other.push(REPO, there())).rejects.toMatchObject({
      name: 'PushError',
      code: 'ERR_PUSH_TARGET',
      message: expect.stringMatching(
        /acme\/support holds .* already\. Nothing was changed\. .*\{ force: true \}/,
      ) as string,
    });
    expect([head(), commits()]).toEqual([old, count]);
    const report = await other.push(REPO, { ...there(), force: true });
    expect(report.removed).toEqual(['2_Dense/config.json', '2_Dense/model.safetensors']);
    expect(Object.keys(head())).not.toContain('2_Dense/config.json');
    expect(commits()).toBe(count + 1);
  });
});

describe('pushFolder', () => {
  test('that is done already does nothing', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    const first = await pushFolder(folder, REPO, there());
    const before = [commits(), sent()];
    expect(await pushFolder(folder, REPO, there())).toEqual(first);
    expect([commits(), sent()]).toEqual(before);
  });

  test('that broke off goes on: what was sent is not sent again, and nobody saw a part of it', async () => {
    const folder = await saved(models.open(fixture('distilbert-dense')));
    let puts = 0;
    hub.fault = ({ method, path }, response) => {
      if (method !== 'PUT' || !path.startsWith('/storage/') || ++puts === 1) return false;
      response.destroy();
      return true;
    };
    const error = await pushFolder(folder, REPO, there()).catch((one: Error) => one);
    expect(error).toMatchObject({ code: 'ERR_PUSH', message: expect.stringMatching(/No commit was made/) as string });
    expect([Object.keys(head()), hub.storage.size]).toEqual([['.gitattributes'], 1]);
    hub.fault = () => false;
    const before = sent();
    await pushFolder(folder, REPO, there());
    expect(sent() - before).toBe(1);
    expect(filesBelow(folder)).toEqual(
      Object.fromEntries(Object.entries(head()).filter(([path]) => path !== '.gitattributes')),
    );
  });

  test('waits for a hub that is busy, and sends the file again from its beginning', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    let busy = 2;
    hub.fault = ({ method }, response) => {
      if (method !== 'PUT' || busy-- <= 0) return false;
      response.writeHead(503, { 'retry-after': '0' }).end();
      return true;
    };
    await pushFolder(folder, REPO, there());
    expect(sent()).toBe(3);
    expect(head()['model.safetensors']!.equals(readFileSync(join(folder, 'model.safetensors')))).toBe(true);
  });

  test('is told of, and stops where it is asked to, without a commit', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    const events: PushEvent[] = [];
    await pushFolder(folder, REPO, { ...there(), onProgress: (event) => events.push(event) });
    const phases = events.map(({ phase }) => phase).filter((phase, i, all) => phase !== all[i - 1]);
    expect(phases).toEqual(['hashing', 'uploading', 'committing']);
    const size = readFileSync(join(folder, 'model.safetensors')).length;
    expect(events.findLast(({ phase }) => phase === 'uploading')).toMatchObject({
      file: 'model.safetensors',
      sentBytes: size,
      totalBytes: size,
    });

    const stop = new AbortController();
    const stopped = pushFolder(folder, 'acme/other', {
      ...there(),
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'uploading' && stop.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: 'ERR_ABORTED', name: 'AbortError' });
    expect(hub.messages).toHaveLength(1);
  });

  test('refuses where someone else was quicker', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    hub.fault = ({ path }) => {
      if (path.endsWith('/commit/main')) hub.add(REPO, { 'notes.md': Buffer.from('mine') }, 'meanwhile');
      return false;
    };
    await expect(pushFolder(folder, REPO, there())).rejects.toMatchObject({
      code: 'ERR_PUSH_TARGET',
      message: expect.stringMatching(/changed by someone else meanwhile/) as string,
    });
    expect(Object.keys(head())).toEqual(['notes.md']);
  });

  test('takes exports too', async () => {
    const { folder } = await models.open(fixture('bert-mean')).export('gguf', models.path('gguf'));
    await pushFolder(folder, REPO, there());
    expect(Object.keys(head()).sort()).toEqual(['.gitattributes', 'README.md', 'model-F32.gguf']);
  });

  test('refuses a folder that is no model, or holds what may not be meant for others', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    writeFileSync(join(folder, 'customers.csv'), 'a,b\n');
    await expect(pushFolder(folder, REPO, there())).rejects.toMatchObject({
      code: 'ERR_PUSH_FOLDER',
      message: expect.stringMatching(/holds "customers\.csv", which may not be meant for others/) as string,
    });
    rmSync(folder, { recursive: true });
    cpSync(__dirname, folder, { recursive: true });
    await expect(pushFolder(folder, REPO, there())).rejects.toMatchObject({ code: 'ERR_PUSH_FOLDER' });
    expect(hub.requests).toEqual([]);
    await expect(pushFolder(models.path('nowhere'), REPO, there())).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('an export', () => {
  async function exported(options: ExportOptions = {}, name = 'onnx'): Promise<string> {
    const { folder } = await models.open(fixture('distilbert-dense')).export('onnx', models.path(name), options);
    return folder;
  }
  const config = () => JSON.parse(head()['config.json']!.toString()) as Record<string, unknown>;

  test('goes beside the model with `add`, which keeps all of its files', async () => {
    const folder = await saved(models.open(fixture('distilbert-dense')));
    writeFileSync(join(folder, 'README.md'), '# mine\n');
    await pushFolder(folder, REPO, there());
    const before = head();
    const report = await pushFolder(await exported(), REPO, { ...there(), add: true });
    expect(report.removed).toEqual([]);
    expect(report.files.map(({ path }) => path)).toEqual(['onnx/model.onnx', 'config.json']);
    expect(Object.keys(head()).sort()).toEqual([...Object.keys(before), 'onnx/model.onnx'].sort());
    for (const [path, content] of Object.entries(before))
      if (path !== 'config.json') expect(head()[path]).toEqual(content);
    expect(config()).toEqual({
      ...(JSON.parse(before['config.json']!.toString()) as object),
      'transformers.js_config': { dtype: 'fp32' },
    });
    // Another precision, and the same again.
    await pushFolder(await exported({ precision: 'int8' }, 'q8'), REPO, { ...there(), add: true });
    expect(config()).not.toHaveProperty(['transformers.js_config']);
    const count = commits();
    await pushFolder(await exported({ precision: 'int8' }, 'q8'), REPO, { ...there(), add: true });
    expect(commits()).toBe(count);
    const fetched = models.open(REPO, { hubUrl: hub.url, cacheFolder: models.path('cache') });
    expect(await fetched.embed('rain')).toHaveLength(24);
  });

  test('of other content takes the place of one with force only', async () => {
    await pushFolder(await exported(), REPO, { ...there(), add: true });
    expect(Object.keys(head())).toEqual(expect.arrayContaining(['README.md', 'onnx/model.onnx', 'tokenizer.json']));
    const { folder } = await models.open(fixture('distilbert-mean')).export('onnx', models.path('other'));
    await expect(pushFolder(folder, REPO, { ...there(), add: true })).rejects.toThrow(
      /holds onnx\/model\.onnx already/,
    );
    await pushFolder(folder, REPO, { ...there(), add: true, force: true });
    expect(head()['onnx/model.onnx']).toEqual(readFileSync(join(folder, 'onnx', 'model.onnx')));
  });

  test('never takes the place of weights; weights are not added to anything', async () => {
    const folder = await saved(models.open(fixture('distilbert-dense')));
    await pushFolder(folder, REPO, there());
    const [old, count] = [head(), commits()];
    await expect(pushFolder(await exported(), REPO, { ...there(), force: true })).rejects.toMatchObject({
      code: 'ERR_PUSH_TARGET',
      message: expect.stringMatching(/holds the weights of a model.*\{ add: true \}/s) as string,
    });
    await expect(pushFolder(folder, REPO, { ...there(), add: true })).rejects.toMatchObject({
      code: 'ERR_PUSH_FOLDER',
    });
    expect([head(), commits()]).toEqual([old, count]);
  });
});

describe('a branch', () => {
  test('is made of main where there is none; main stays as it is', async () => {
    await models.open(fixture('bert-mean')).push(REPO, there());
    const main = head();
    const other = models.open(fixture('distilbert-mean'));
    const report = await other.push(REPO, { ...there(), branch: 'distil' });
    const { references, commits: all } = hub.repositories.get(REPO)!;
    expect(references['distil']).toBe(report.commit);
    expect(head()).toEqual(main);
    expect(all[report.commit]!['model.safetensors']).not.toEqual(main['model.safetensors']);
    await expect(models.open(fixture('bert-mean')).push(REPO, { ...there(), branch: 'distil' })).rejects.toMatchObject({
      code: 'ERR_PUSH_TARGET',
    });
  });

  test('of a repository that is not there yet', async () => {
    await models.open(fixture('bert-mean')).push(REPO, { ...there(), branch: 'v2' });
    const { references, commits: all } = hub.repositories.get(REPO)!;
    expect(Object.keys(all[references['v2']!]!)).toContain('model.safetensors');
    expect(Object.keys(head())).toEqual(['.gitattributes']);
  });
});

test('what the card says is set in what is pushed, and the folder stays as it is', async () => {
  const folder = await saved(models.open(fixture('bert-mean')));
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  const options = { license: 'mit', languages: ['en'], examples: [{ text: 'a', others: ['b', 'c'] }] };
  await pushFolder(folder, REPO, { ...there(), ...options });
  const pushed = head()['README.md']!.toString();
  expect(pushed).toMatch(
    /^---\nlibrary_name: .*\nlicense: "mit"\nlanguage:\n- "en"\nwidget:\n- source_sentence: "a"\n/s,
  );
  expect(pushed.replace(/^---\n.*?\n---\n/s, '')).toBe(card.replace(/^---\n.*?\n---\n/s, ''));
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe(card);
  // Once, however often, and whoever wrote the card.
  writeFileSync(join(folder, 'README.md'), pushed.replace('license: "mit"', 'license: mit # mine'));
  await pushFolder(folder, REPO, { ...there(), license: 'apache-2.0', force: true });
  const front = /^---\n(.*?)\n---\n/s.exec(head()['README.md']!.toString())![1]!;
  expect(front.match(/license/g)).toEqual(['license']);
  expect(front).toContain('license: "apache-2.0"');
  expect(front).toContain('source_sentence: "a"');
});

test('a model that is opened again has the card of its training', async () => {
  const model = models.open(fixture('bert-mean'));
  const rows = scoredRows().map((row) => ({ ...row, score: row.score > 0.5 ? 1 : 0 }));
  await finish(model, rows, { epochs: 2, learningRate: 1e-3, earlyStopping: false, precision: 'fp32' });
  const folder = await saved(model);
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  const again = models.open(folder);
  expect(readFileSync(join(await saved(again, 'again'), 'README.md'), 'utf8')).toBe(card);
  await again.push(REPO, { ...there(), temporaryFolder: models.path('.'), license: 'mit' });
  const pushed = head()['README.md']!.toString();
  for (const part of ['fine-tuned', '## Training', '| Data | 60 pairs', '## Before and after', 'license: "mit"'])
    expect(pushed).toContain(part);
  expect(pushed).not.toContain('unchanged');
  const { folder: exported } = await models.open(folder).export('onnx', models.path('onnx'));
  expect(readFileSync(join(exported, 'README.md'), 'utf8')).toContain('## Training');
  await finish(again, rows, { epochs: 1, learningRate: 1e-3, validationSplit: 0, precision: 'fp32' });
  const more = readFileSync(join(await saved(again, 'more'), 'README.md'), 'utf8');
  expect(more).toContain('| Fine-tuned before, in runs | 1 |');
  // What is no file of ours tells nothing, and is no reason not to open the model.
  for (const text of ['{', '[]', '{"version":1,"id":"x","facts":{"trainPairs":"many"}}']) {
    writeFileSync(join(folder, 'vectune_card.json'), text);
    const odd = readFileSync(join(await saved(models.open(folder), 'odd'), 'README.md'), 'utf8');
    expect(odd).not.toContain('## Training');
  }
  await expect(again.push(REPO, { ...there(), temporaryFolder: models.path('nowhere') })).rejects.toMatchObject({
    code: 'ERR_FILE',
  });
});

test('a model that came from the hub says so where it is saved, and keeps it', async () => {
  const { commit } = await models.open(fixture('bert-mean')).push(REPO, there());
  const fetched = models.open(REPO, { hubUrl: hub.url, cacheFolder: models.path('cache') });
  const folder = await saved(fetched);
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  const from = `from [${REPO}](https://huggingface.co/${REPO}) (revision ${commit}).`;
  expect(card).toContain(`\nbase_model: "${REPO}"\n`);
  expect(card).toContain(`It was saved by vectune, unchanged, ${from}`);
  expect(JSON.parse(readFileSync(join(folder, 'vectune_card.json'), 'utf8'))).toMatchObject({
    id: REPO,
    revision: commit,
  });
  const again = models.open(folder);
  expect(readFileSync(join(await saved(again, 'again'), 'README.md'), 'utf8')).toBe(card);
  const { folder: exported } = await again.export('gguf', models.path('gguf'));
  expect(readFileSync(join(exported, 'README.md'), 'utf8')).toContain(`unchanged, ${from}`);
  await finish(again, scoredRows(), { epochs: 1, learningRate: 1e-3, validationSplit: 0, precision: 'fp32' });
  const trained = readFileSync(join(await saved(again, 'trained'), 'README.md'), 'utf8');
  expect(trained).toContain(`It was fine-tuned with vectune ${from}`);
});

describe('the token', () => {
  test('goes to the hub alone, and stands in no message, event or error', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    const events: PushEvent[] = [];
    await pushFolder(folder, REPO, { ...there(), onProgress: (event) => events.push(event) });
    for (const { path, authorization } of hub.requests)
      expect([path, authorization]).toEqual([path, path.startsWith('/storage/') ? undefined : `Bearer ${TOKEN}`]);
    expect(sent()).toBe(1);
    expect(JSON.stringify(events)).not.toContain(TOKEN);
    for (const status of [401, 403, 500]) {
      hub.fault = (_, response) => {
        response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '0' });
        response.end(JSON.stringify({ error: `no: ${TOKEN}` }));
        return true;
      };
      const error: unknown = await pushFolder(folder, REPO, there()).catch((one: unknown) => one);
      expect(error).toMatchObject({ code: status === 500 ? 'ERR_HUB_BUSY' : 'ERR_HUB_ACCESS', name: 'PushError' });
      for (let link = error as Error | undefined; link !== undefined; link = link.cause as Error | undefined)
        expect(`${link.message} ${link.stack}`).not.toContain(TOKEN);
    }
  });

  test('is the one that Hugging Face keeps, for the hub of the environment alone', async () => {
    const folder = await saved(models.open(fixture('bert-mean')));
    models.write('token', `${TOKEN}\n`);
    process.env['HF_HOME'] = models.path('.');
    process.env['HF_ENDPOINT'] = hub.url;
    await pushFolder(folder, REPO);
    expect(hub.requests.at(-1)!.authorization).toBe(`Bearer ${TOKEN}`);
    await expect(pushFolder(folder, REPO, { hubUrl: hub.url })).rejects.toMatchObject({ code: 'ERR_HUB_ACCESS' });
    process.env['HF_TOKEN_PATH'] = models.path('nowhere');
    await expect(pushFolder(folder, REPO)).rejects.toMatchObject({ code: 'ERR_HUB_ACCESS' });
  });

  test('is needed, and may be of another form than the public hub has', async () => {
    const model = models.open(fixture('bert-mean'));
    await expect(model.push(REPO, { hubUrl: hub.url })).rejects.toMatchObject({ code: 'ERR_HUB_ACCESS' });
    expect(hub.requests).toEqual([]);
    process.env['HF_TOKEN'] = 'of-our-own-hub';
    process.env['HF_ENDPOINT'] = hub.url;
    await model.push(REPO);
    expect(hub.requests.at(-1)!.authorization).toBe('Bearer of-our-own-hub');
    delete process.env['HF_TOKEN'];
  });
});

test.each([
  ['no owner', ['support'], 'ERR_INVALID_ARGUMENT', /named owner\/name, as acme\/support-embeddings, but is .*support/],
  ['an address', ['https://hub/acme/support'], 'ERR_INVALID_ARGUMENT', /named owner\/name/],
  ['an option that there is not', [REPO, { overwrite: true }], 'ERR_UNKNOWN_OPTION', /Did you mean "force"\?/],
  ['token', [REPO, { token: TOKEN }], 'ERR_UNKNOWN_OPTION', /Did you mean "accessToken"\?/],
  [
    'examples that are none',
    [REPO, { examples: ['a'] }],
    'ERR_INVALID_OPTION',
    /examples must be a list of \{ text, others/,
  ],
  ['a visibility that there is not', [REPO, { visibility: 'open' }], 'ERR_INVALID_OPTION', /visibility must be one of/],
])('refused: %s', async (_, given, code, message) => {
  const model = models.open(fixture('bert-mean'));
  const call = (model.push as (...all: unknown[]) => Promise<unknown>).apply(model, given);
  await expect(call).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  expect(hub.requests).toEqual([]);
});
