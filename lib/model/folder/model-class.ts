import { ModelError } from '../../system/errors';
import { isObject, type JsonObject } from '../../system/json';
import { say } from '../../system/wording';
import { ARCHITECTURE_NAMES, describe, type Architecture } from '../architectures';
import { conversionCommand } from './weights';

/** What config.json says of the class that its weights are of: "architectures" and "auto_map". */

/** `Bert` of BertModel, BertForMaskedLM and the like; undefined of another name. */
export function classStem(name: string): string | undefined {
  return /^(.+?)(?:Model|LMHeadModel|PreTrainedModel|For[A-Z]\w*)$/.exec(name)?.[1];
}

function classOf(config: JsonObject): string | undefined {
  const list = config['architectures'];
  return Array.isArray(list) && typeof list[0] === 'string' ? list[0] : undefined;
}

/** Classes whose encoder was trained to score or to label, and not to give vectors that can be compared. */
const OTHER_TASK = /For(?:SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice)$/;

/**
 * Refuses a folder without modules.json whose model scores pairs of texts (a cross-encoder, a reranker) or labels them:
 * pooled, its token vectors would be compared and mean nothing.
 *
 * @throws ModelError ERR_UNKNOWN_ARCHITECTURE
 */
export function refuseOtherTasks(config: JsonObject, file: string, root: string): void {
  const found = classOf(config);
  // What CrossEncoder leaves in config.json, now and before 4.0.
  const crossEncoder = isObject(config['sentence_transformers']) || 'sbert_ce_default_activation_function' in config;
  if (!crossEncoder && (found === undefined || !OTHER_TASK.test(found))) return;
  const what = crossEncoder ? "a cross-encoder's" : `of the class ${found}`;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${file} is ${what}: it scores or labels texts (a cross-encoder scores pairs of them), and gives no vectors to ` +
      'compare. Choose an embedding model.',
    {
      file,
      remedy: say`To train one from its encoder, write that with Python and open the folder:\n  ${conversionCommand(root, `${root}-encoder`)}`,
    },
  );
}

/**
 * Refuses what may compute something else than the architecture that "model_type" names: a class of another name, and
 * code that comes with the model.
 *
 * @throws ModelError ERR_UNKNOWN_ARCHITECTURE
 */
export function refuseOtherClasses(config: JsonObject, architecture: Architecture, file: string): void {
  const { modelClass, otherClasses = [], alike, ownCode = false } = describe(architecture);
  const map = isObject(config['auto_map']) ? config['auto_map']['AutoModel'] : undefined;
  if (map !== undefined && map !== null && !ownCode) {
    throw new ModelError(
      'ERR_UNKNOWN_ARCHITECTURE',
      `${file}: "auto_map" names ${JSON.stringify(map)}, code of the model's own, which vectune never runs and which may ` +
        `compute something else than transformers' ${modelClass}. Choose another model.`,
      {
        file,
        remedy: say`Where the code is ${modelClass} to the letter, take "auto_map" out of a copy of config.json.`,
      },
    );
  }
  const found = classOf(config);
  const same = alike === undefined ? [] : ARCHITECTURE_NAMES.map(describe).filter((other) => other.alike === alike);
  const known = [modelClass, ...otherClasses, ...same.map((other) => other.modelClass)].map(classStem);
  if (found === undefined || known.includes(classStem(found))) return;
  throw new ModelError(
    'ERR_UNKNOWN_ARCHITECTURE',
    `${file}: "architectures" names the class ${found}, which may compute something else than ${modelClass}, the class ` +
      `of "model_type" "${architecture}". Choose another model.`,
    {
      file,
      remedy: say`Where it is ${modelClass} under another name, write "architectures": ["${modelClass}"] into a copy of config.json.`,
    },
  );
}
