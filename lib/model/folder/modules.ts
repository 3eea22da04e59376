import { isAbsolute, join, normalize } from 'node:path';
import { show } from '../../arguments';
import { ModelError } from '../../errors';
import { isObject, readJson } from './json';

export type ModuleKind = 'transformer' | 'pooling' | 'dense' | 'normalize';

/** One entry of modules.json. */
export interface FolderModule {
  kind: ModuleKind;
  /** The module's own folder. */
  folder: string;
}

const KINDS: Record<string, ModuleKind> = {
  Transformer: 'transformer',
  // Class names of before 0.2.6, when each architecture had a module of its own.
  BERT: 'transformer',
  DistilBERT: 'transformer',
  RoBERTa: 'transformer',
  Pooling: 'pooling',
  Dense: 'dense',
  Normalize: 'normalize',
};

/**
 * `sentence_transformers.models.Dense` (up to 5.3), `sentence_transformers.base.modules.dense.Dense` and
 * `sentence_transformers.sentence_transformer.modules.pooling.Pooling` (from 5.4).
 */
const TYPE = /^sentence_transformers\.(?:models|base\.modules|sentence_transformer\.modules)\.(?:\w+\.)*(\w+)$/;

/**
 * The modules of a sentence-transformers folder in their order, or undefined where there is no modules.json.
 *
 * @throws ModelError ERR_MODEL_FOLDER: the file is damaged or a path leaves the folder; ERR_UNKNOWN_MODULE.
 */
export async function readModules(folder: string): Promise<FolderModule[] | undefined> {
  const file = join(folder, 'modules.json');
  const list = await readJson(file);
  if (list === undefined) return undefined;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ModelError('ERR_MODEL_FOLDER', `${file} must hold a list of modules, found ${show(list)}.`, { file });
  }
  const modules = list.map((entry: unknown): FolderModule => {
    const type = isObject(entry) ? entry['type'] : undefined;
    const path = isObject(entry) ? (entry['path'] ?? '') : undefined;
    if (typeof type !== 'string' || typeof path !== 'string') {
      throw new ModelError(
        'ERR_MODEL_FOLDER',
        `${file}: a module must have a "type" and a "path", found ` + `${show(entry)}.`,
        { file },
      );
    }
    const name = TYPE.exec(type)?.[1];
    const kind = name !== undefined && Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (kind === undefined) {
      throw new ModelError(
        'ERR_UNKNOWN_MODULE',
        `${file} names the module "${type}"; vectune has Transformer, Pooling, ` +
          'Dense and Normalize of sentence-transformers.',
        { file },
      );
    }
    return { kind, folder: inside(folder, path, file) };
  });
  checkOrder(modules, file);
  return modules;
}

/** The path joined to the folder; it must not lead out of it. */
function inside(folder: string, path: string, file: string): string {
  const plain = normalize(path.replaceAll('\\', '/'));
  if (isAbsolute(plain) || plain.split('/').includes('..')) {
    throw new ModelError('ERR_MODEL_FOLDER', `${file}: the path "${path}" leads out of the model folder.`, { file });
  }
  return join(folder, plain);
}

function checkOrder(modules: readonly FolderModule[], file: string): void {
  const kinds = modules.map((module) => module.kind);
  const rest = kinds.slice(2);
  if (
    kinds[0] === 'transformer' &&
    kinds[1] === 'pooling' &&
    rest.every((kind) => kind === 'dense' || kind === 'normalize')
  ) {
    return;
  }
  throw new ModelError(
    'ERR_UNKNOWN_MODULE',
    `${file} orders its modules ${kinds.join(', ')}; vectune runs a Transformer, ` +
      'then a Pooling, then any number of Dense and Normalize.',
    { file },
  );
}
