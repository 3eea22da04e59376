import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixture, useModels } from '../public/models';
import { vectune } from '../unit/cli/run';
import { useCleanEnvironment } from '../unit/model/support/environment';
import { HubServer } from '../unit/model/support/hub-server';

const models = useModels();
useCleanEnvironment();

test('vectune export writes what export does, and says which files', async () => {
  const out = models.path('out');
  const args = ['export', 'onnx', '--model', fixture('bert-mean'), '--out', out, '--precision', 'fp32,int8'];
  const ran = await vectune(args);
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).toMatch(/^onnx\/model\.onnx +\d.*MB\nonnx\/model_quantized\.onnx +\d.*MB\nexported to .*out\n$/);
  expect(readdirSync(join(out, 'onnx')).sort()).toEqual(['model.onnx', 'model_quantized.onnx']);
  const json = await vectune([
    'export',
    'gguf',
    '--model',
    fixture('bert-mean'),
    '--out',
    models.path('gguf'),
    '--json',
  ]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    format: 'gguf',
    folder: models.path('gguf'),
    files: [{ path: 'model-F32.gguf', bytes: readFileSync(models.path('gguf', 'model-F32.gguf')).length }],
    notes: [],
  });
});

test.each([
  [
    'a precision that there is not',
    ['onnx', '--precision', 'q4'],
    2,
    /--precision must be .*fp32.* q4|--precision must be/,
  ],
  ['a format that there is not', ['tflite'], 2, /tflite.*onnx.*gguf/s],
  ['another flag', ['onnx', '--dtype', 'fp16'], 2, /Did you mean --precision\?/],
])('vectune export refuses %s', async (_, args, code, message) => {
  const out = models.path('out');
  const ran = await vectune(['export', ...args, '--model', fixture('bert-mean'), '--out', out]);
  expect([ran.code, ran.stderr]).toEqual([code, expect.stringMatching(message)]);
  expect(existsSync(out)).toBe(false);
});

test('vectune export says what a format cannot', async () => {
  const ran = await vectune(['export', 'gguf', '--model', fixture('mpnet-mean'), '--out', models.path('out')]);
  expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(/llama\.cpp has no mpnet.*\[ERR_EXPORT\]/)]);
});

test('vectune push: a commit, a refusal that names the flag, the flag', async () => {
  const hub = await HubServer.start();
  try {
    process.env['HF_ENDPOINT'] = hub.url;
    process.env['HF_TOKEN_PATH'] = models.path('nowhere'); // the machine may have one
    const model = models.open(fixture('bert-mean'));
    const folder = await model.save(models.path('saved'));
    const without = await vectune(['push', folder, 'acme/support']);
    expect([without.code, without.stderr]).toEqual([
      1,
      expect.stringMatching(/needs a token.*HF_TOKEN, or log in .*\[ERR_HUB_ACCESS\]/),
    ]);
    process.env['HF_TOKEN'] = 'hf_secretSecretSecret';
    const first = await vectune(['push', folder, 'acme/support', '--message', 'First', '--visibility', 'public']);
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^\d+ files, \d.*MB, as commit [0-9a-f]{8}: http.*\/acme\/support\n$/);
    expect([hub.messages, hub.repositories.get('acme/support')!.visibility]).toEqual([['First'], 'public']);
    const other = await models.open(fixture('distilbert-mean')).save(models.path('other'));
    const second = await vectune(['push', other, 'acme/support']);
    expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/with --force; .*\[ERR_PUSH_TARGET\]/)]);
    const told = ['--license', 'mit', '--language', 'en,de', '--example', 'a|b|c', '--example', 'd|e'];
    const third = await vectune(['push', other, 'acme/support', '--force', '--json', ...told]);
    expect(JSON.parse(third.stdout)).toMatchObject({ repo: 'acme/support', removed: [] });
    const { commits, references } = hub.repositories.get('acme/support')!;
    expect(commits[references['main']!]!['README.md']!.toString()).toContain(
      'license: "mit"\nlanguage:\n- "en"\n- "de"\nwidget:\n- source_sentence: "a"\n  sentences:\n  - "b"\n  - "c"\n- source_sentence: "d"\n',
    );
    const odd = await vectune(['push', other, 'acme/support', '--example', 'a']);
    expect([odd.code, odd.stderr]).toEqual([2, expect.stringMatching(/Expected a text and others/)]);
    for (const { stdout, stderr } of [first, second, third]) expect(stdout + stderr).not.toContain('hf_secret');
  } finally {
    delete process.env['HF_TOKEN'];
    delete process.env['HF_TOKEN_PATH'];
    delete process.env['HF_ENDPOINT'];
    await hub.stop();
  }
});
