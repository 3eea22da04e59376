import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { loadEngine } from '../../lib/engine/load';
import { openModel } from '../../lib/model/open';
import { saveModel } from '../../lib/model/save/save';
import { CASES, type CaseFacts, STATIC_CASES } from './cases';
import { largestDifference } from './measure';

/**
 * A folder that vectune has written gives the same vectors in sentence-transformers, and one that sentence-transformers
 * has written of it the same ones here: with the Python that VECTUNE_REFERENCE_PYTHON names (6.2.0, transformers 5).
 */
const python = process.env['VECTUNE_REFERENCE_PYTHON'];
if (python === undefined) console.info('not compared: VECTUNE_REFERENCE_PYTHON names no Python');

const fixtures = join(__dirname, 'fixtures');

async function vectors(folder: string, texts: readonly string[], keep?: string) {
  const addon = await loadEngine();
  const opened = await openModel(folder);
  const model = await addon.createModel(opened.spec, opened.weightFiles, 0);
  try {
    const { ids, offsets } = await opened.tokeniser.encode(texts, opened.maxInputLength);
    const data = await addon.embed(model, ids, offsets, 'fp32');
    if (keep !== undefined) await saveModel(opened, addon, model, keep);
    return { shape: [texts.length, opened.dimension], data };
  } finally {
    addon.disposeModel(model);
  }
}

/** Folder below fixtures/, the case whose texts it is given; those with a repository's own names of tensors are last. */
const folders = [
  ...[...CASES, ...STATIC_CASES].map((name) => [name, join(fixtures, name, 'model')] as const),
  ...(['nomic_bert-mean', 'gte-mean'] as const).map((name) => [name, join(fixtures, 'former', name)] as const),
].map(([name, model]) => [relative(fixtures, model), name, model] as const);

(python === undefined ? describe.skip : describe).each(folders)('%s', (_, name, model) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'vectune-reopen-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('gives the same vectors there, and back here', async () => {
    const facts = JSON.parse(readFileSync(join(fixtures, name, 'case.json'), 'utf8')) as CaseFacts;
    const path = (file: string) => join(folder, file);
    const found = await vectors(model, facts.texts, path('ours'));
    writeFileSync(path('texts.json'), JSON.stringify(facts.texts));
    const files = [path('ours'), path('theirs'), path('texts.json'), path('vectors.f32')];
    const ran = spawnSync(python!, [join(__dirname, 'reopen.py'), ...files], { encoding: 'utf8' });
    expect({ status: ran.status, error: ran.status === 0 ? '' : ran.stderr }).toEqual({ status: 0, error: '' });
    const bytes = readFileSync(path('vectors.f32'));
    const theirs = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    expect(largestDifference(found, { shape: found.shape, data: theirs })).toBeLessThan(1e-5);
    expect(largestDifference(await vectors(path('theirs'), facts.texts), found)).toBeLessThan(1e-6);
  }, 120_000);
});
