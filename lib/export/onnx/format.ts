import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ADDON_VERSION } from '../../engine/load';
import { STATIC } from '../../model/folder/static-embedding';
import { modelCard } from '../../model/save/card';
import { layoutFiles } from '../../model/save/layout';
import { factsOf, writeFiles } from '../../model/save/save';
import { MODEL_FILES } from '../../model/save/save-target';
import type { JsonObject } from '../../system/json';
import type { ExportJob, Format } from '../format';
import { buildGraph } from './build';
import { GRAPHS, staticFiles, withRuntimeConfig } from './folder';
import { writeOnnx } from './model-file';
import { onnxUsage } from './usage';

/** onnx/model.onnx and its like, in a folder that transformers.js and sentence-transformers open. */
export const ONNX: Format = {
  name: 'ONNX',
  replaces: {
    what: 'an ONNX export',
    holds: 'an export',
    is: (names) => names.includes('onnx'),
    entries: MODEL_FILES,
  },
  prepare: async () => write,
  keepsModules: ({ architecture }) => architecture !== STATIC,
  notes: ({ layout }) =>
    layout.includePrompt
      ? []
      : [
          "The model's pooling leaves a prompt's tokens out; sentence_embedding cannot know them and pools all tokens: " +
            'pool last_hidden_state where texts have a prompt.',
        ],
};

async function write(job: ExportJob): Promise<string[]> {
  const { opened, plan, precisions, folder, weights, card, onBytes, mostInline } = job;
  const files = opened.architecture === STATIC ? await staticFiles(opened) : await layoutFiles(opened);
  const config = JSON.parse(String(files.get('config.json'))) as JsonObject;
  const written = new Map<string, string[]>();
  await mkdir(join(folder, 'onnx'));
  for (const precision of precisions) {
    const { file } = GRAPHS[precision];
    const graph = buildGraph(opened, plan, weights, precision);
    const external = await writeOnnx(graph, join(folder, 'onnx'), file, {
      producerVersion: ADDON_VERSION,
      ...(mostInline !== undefined && { mostInline }),
      onBytes: (name, done, total) => onBytes(`onnx/${name}`, done, total),
    });
    written.set(file, external);
  }
  files.set('config.json', `${JSON.stringify(withRuntimeConfig(config, precisions, written), null, 2)}\n`);
  await writeFiles(files, folder);
  const { dtype, file } = GRAPHS[precisions[0]!];
  const facts = factsOf(opened);
  const text = modelCard(facts, card, onnxUsage(opened, facts, dtype, `onnx/${file}`));
  await writeFile(join(folder, 'README.md'), text, { flag: 'wx' });
  return [...written].flat(2).map((name) => `onnx/${name}`);
}
