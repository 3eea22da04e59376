import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, parseJson } from '../../system/json';
import type { CardFacts } from './card';

/** What a model card tells, for programs: a model that is opened again is what it was trained to be. */

/** Its name in a model's folder. */
export const FACTS_FILE = 'vectune_card.json';

const VERSION = 1;

/** What a folder's model was made from, and how. */
export interface SavedCard {
  /** Of the model that all began with. */
  id: string;
  revision: string | undefined;
  facts: CardFacts;
}

/** Examples and places are of the moment. */
export function factsFile({ id, revision, facts }: SavedCard): string {
  const { examples: _, place: __, ...kept } = facts;
  return `${JSON.stringify({ version: VERSION, id, revision, facts: kept }, null, 2)}\n`;
}

/** What is not ours, or of another version, tells nothing: a card is no reason not to open a model. */
export async function readFactsFile(folder: string): Promise<SavedCard | undefined> {
  try {
    const value = parseJson(await readFile(join(folder, FACTS_FILE), 'utf8'));
    if (!isObject(value) || value['version'] !== VERSION || typeof value['id'] !== 'string') return undefined;
    const { id, revision, facts } = value;
    if (!isObject(facts)) return undefined;
    return { id, revision: typeof revision === 'string' ? revision : undefined, facts: checkedFacts(facts) };
  } catch {
    return undefined;
  }
}

type Check = (value: unknown) => boolean;
const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const listOf =
  (members: Record<string, Check>): Check =>
  (value) =>
    Array.isArray(value) &&
    value.every((one) => isObject(one) && Object.entries(members).every(([name, check]) => check(one[name])));
const valuesOf =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.values(value).every(check);
const isSetting: Check = (value) => value === null || ['string', 'number', 'boolean'].includes(typeof value);

const FACTS: { [Name in keyof Omit<CardFacts, 'place' | 'examples'>]-?: Check } = {
  license: isText,
  languages: (value) => Array.isArray(value) && value.every(isText),
  data: isText,
  rowsAre: isText,
  trainPairs: isNumber,
  validationPairs: isNumber,
  loss: isText,
  epochs: isNumber,
  bestEpoch: isNumber,
  share: isNumber,
  options: valuesOf(isSetting),
  earlierRuns: isNumber,
  crossCheck: (value) => isObject(value) && isNumber(value['folds']) && isNumber(value['rows']),
  gain: isText,
  metrics: listOf({ name: isText, before: isNumber, after: isNumber }),
  thresholds: listOf({ name: isText, from: isNumber }),
  prompts: (value) => Array.isArray(value) && value.length === 2 && value.every(isText),
  searches: (value) => typeof value === 'boolean',
  merged: (value) =>
    isObject(value) && isText(value['method']) && listOf({ id: isText, share: isNumber })(value['models']),
  versions: valuesOf(isText),
};

/** Those that are what they ought to be, in their order: what is saved again is the same. */
function checkedFacts(facts: Record<string, unknown>): CardFacts {
  const checks: Record<string, Check> = FACTS;
  return Object.fromEntries(
    Object.entries(facts).filter(([name, value]) => Object.hasOwn(checks, name) && checks[name]!(value)),
  );
}
