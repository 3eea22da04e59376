import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../../system/errors';
import { outsideArchive } from '../../system/asar';

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    (info) => info.isFile(),
    () => false,
  );
}

/** Text as a Python string literal in single quotes. */
function pythonString(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The shell command that turns a model of pickles into a folder of safetensors. */
export function conversionCommand(source: string, target: string): string {
  const program =
    'from sentence_transformers import SentenceTransformer; ' +
    `SentenceTransformer(${pythonString(source)}, device='cpu').save(${pythonString(target)})`;
  return `python -c "${program.replaceAll(/[\\"$`]/g, '\\$&')}"`;
}

export function pickleError(found: string, source: string, target: string): ModelError {
  return new ModelError(
    'ERR_PICKLE',
    `${found} is a Python pickle, which can run any code when it is opened; vectune reads ` +
      'safetensors only. Convert the model once (Python with sentence-transformers), then open ' +
      `${target}:\n  ${conversionCommand(source, target)}`,
    { file: found },
  );
}

/**
 * The safetensors file of the module in `folder`, part of the model at `root`.
 *
 * @throws ModelError ERR_PICKLE: there is only a pickle; ERR_MODEL_FOLDER: there is nothing, or parts of a split file.
 */
export async function findWeights(folder: string, root: string): Promise<string> {
  const file = join(folder, 'model.safetensors');
  const mapped = outsideArchive(file);
  if (await exists(mapped)) return mapped;
  if (mapped !== file && (await exists(file))) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file} lies in an archive of Electron's, from which weights cannot be mapped. Have the app's packager leave ` +
        'the model unpacked (asarUnpack), or keep it outside of the app.',
      { file },
    );
  }
  const index = join(folder, 'model.safetensors.index.json');
  if (await exists(index)) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${index}: the weights are split over several files; vectune reads one ` +
        `model.safetensors. Write it once with Python:\n  ${conversionCommand(root, `${root}-safetensors`)}`,
      { file: index },
    );
  }
  const pickle = join(folder, 'pytorch_model.bin');
  if (await exists(pickle)) throw pickleError(pickle, root, `${root}-safetensors`);
  throw new ModelError(
    'ERR_MODEL_FOLDER',
    `${file} is missing: ${folder} holds no weights. Fetch the model folder again.`,
    { file },
  );
}
