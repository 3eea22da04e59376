import { ModelError } from '../../system/errors';
import type { EncoderSpec } from '../../engine/model-spec';
import { Fields, type JsonObject } from '../../system/json';
import { ARCHITECTURES, ARCHITECTURE_NAMES, describe, type Architecture } from '../architectures';
import { say, words } from '../../system/wording';
import { classStem, refuseOtherClasses } from './model-class';

function unknownArchitecture(found: string, file: string): ModelError {
  return new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${file} describes ${found}; vectune runs the architectures ` + `${ARCHITECTURE_NAMES.join(', ')}.`,
    {
      file,
      remedy: say`Choose a model of one of these, for example ${words('one of the constants in `models`', 'all-MiniLM-L6-v2')}.`,
    },
  );
}

/** The architecture of a `model_type`. */
export function architectureNamed(type: unknown): Architecture | undefined {
  return ARCHITECTURE_NAMES.find((name) => name === type || describe(name).otherTypes?.includes(String(type)) === true);
}

/** `model_type`, or, in files of before 2020 that lack it, what the class names or the fields tell. */
function architectureOf(config: JsonObject, file: string): Architecture {
  const type = config['model_type'];
  if (type !== undefined) {
    const named = architectureNamed(type);
    if (named !== undefined) return named;
    throw unknownArchitecture(`the architecture "${String(type)}"`, file);
  }
  const classes = Array.isArray(config['architectures']) ? config['architectures'].map(String) : [];
  for (const given of classes) {
    const stem = classStem(given);
    const named = ARCHITECTURE_NAMES.find((name) => ARCHITECTURES[name].modelClass === `${stem}Model`);
    if (named !== undefined) return named;
  }
  if (classes.length > 0) throw unknownArchitecture(`the architecture "${classes.join(', ')}"`, file);
  const told = ARCHITECTURE_NAMES.find((name) => {
    const { ownFields } = ARCHITECTURES[name];
    return ownFields.length > 0 && ownFields.every((field) => field in config);
  });
  if (told !== undefined) return told;
  throw unknownArchitecture('no "model_type"', file);
}

/**
 * The encoder's shape out of config.json. Defaults are those of Hugging Face's configuration classes.
 *
 * @throws ModelError ERR_UNKNOWN_ARCHITECTURE: none of vectune's, or a variant of one that is
 *   computed in another way; ERR_MODEL_FOLDER: a field is missing or impossible.
 */
export function readEncoderSpec(config: JsonObject, file: string): EncoderSpec & { architecture: Architecture } {
  const architecture = architectureOf(config, file);
  refuseOtherClasses(config, architecture, file);
  const fields = new Fields(config, file);
  const spec = { architecture, ...describe(architecture).read(fields) };
  refuseVariants(fields, spec.attention === undefined);
  if (spec.headDim === undefined && spec.hiddenSize % spec.heads !== 0) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: the hidden size ${spec.hiddenSize} cannot be divided among ` + `${spec.heads} attention heads.`,
      { file },
    );
  }
  if (spec.positions <= spec.positionOffset) {
    throw new ModelError(
      'ERR_MODEL_FOLDER',
      `${file}: "max_position_embeddings" ${spec.positions} leaves no position ` +
        `behind the offset ${spec.positionOffset} (pad_token_id + 1).`,
      { file },
    );
  }
  return spec;
}

/** Settings under which the same tensors mean another computation. */
function refuseVariants(fields: Fields, hasPositionTable: boolean): void {
  const kind = 'position_embedding_type';
  const positions = hasPositionTable && fields.has(kind) ? fields.string(kind) : 'absolute';
  if (positions !== 'absolute') {
    throw unknownArchitecture(`the position embeddings "${positions}" (only "absolute" is known)`, fields.file);
  }
  for (const name of ['is_decoder', 'add_cross_attention']) {
    if (fields.boolean(name, false)) throw unknownArchitecture(`a decoder ("${name}": true)`, fields.file);
  }
}
