import { existsSync } from 'node:fs';
import type { ModelToServe } from '../serve/create-server';
import { InvalidArgumentError } from '../system/errors';
import { embedTable } from '../text-vectorisation-options';

/** A model as it was typed for `vectune serve`: `[name=]id|folder`. */
export interface NamedModel {
  /** Undefined of one that goes by its own id. */
  name: string | undefined;
  /** Hub id or folder. */
  source: string;
}

/**
 * What is typed is a folder where there is one of that path (`runs/lr=1e-5`), else the name ends at the first `=`; a name
 * may be a hub's id (`BAAI/bge-small-en-v1.5=./tuned`).
 */
export function namedModels(typed: readonly string[]): NamedModel[] {
  const models = typed.map((one) => {
    const [, name, source] = existsSync(one) ? [] : (/^([^=]+)=(.+)$/s.exec(one) ?? []);
    return name === undefined ? { name, source: one } : { name, source: source! };
  });
  const names = models.map(({ name }) => name);
  if (names.length > 1 && names.includes(undefined)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'Several models need a name each: --model base=all-MiniLM-L6-v2 tuned=./my-model.',
    );
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `Two models have the name "${twice}": --model gives each its own.`,
    );
  }
  return models;
}

/** The flags that may differ by model, as typed: `value` for all, `name=value` for one. */
export interface ByModel {
  prompt?: readonly string[];
  dimensions?: readonly string[];
  maxInputLength?: readonly string[];
}

const number = (typed: string) => (typed.trim() === '' ? Number.NaN : Number(typed));

/** What each model is served with. @throws InvalidArgumentError: a value that cannot be meant, or two for one model */
export function settingsByModel(models: readonly NamedModel[], typed: ByModel): Omit<ModelToServe, 'model'>[] {
  const names = models.flatMap(({ name }) => name ?? []);
  const prompts = byName('--prompt', typed.prompt, names);
  const dimensions = byName('--dimensions', typed.dimensions, names);
  const lengths = byName('--max-input-length', typed.maxInputLength, names);
  return models.map(({ name }) => {
    const [prompt, some, most] = [prompts, dimensions, lengths].map((of) => of.get(name) ?? of.get(undefined));
    return {
      ...(prompt !== undefined && { prompt }),
      ...(some !== undefined && { dimensions: embedTable.dimensions.check('dimensions', number(some)) }),
      ...(most !== undefined && { maxInputLength: embedTable.maxInputLength.check('maxInputLength', number(most)) }),
    };
  });
}

/** Values by the names of models; undefined is the name of all others. */
function byName(flag: string, typed: readonly string[] | undefined, names: readonly string[]) {
  const values = new Map<string | undefined, string>();
  for (const one of typed ?? []) {
    // The longest, as one name may begin another.
    const [name] = names.filter((known) => one.startsWith(`${known}=`)).sort((a, b) => b.length - a.length);
    if (values.has(name)) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        `${flag} is given twice for ${name === undefined ? 'all models' : `the model "${name}"`}. One model of two is meant by name=value.`,
      );
    }
    values.set(name, name === undefined ? one : one.slice(name.length + 1));
  }
  return values;
}
