import { isDeepStrictEqual } from 'node:util';
import { ModelError } from '../system/errors';
import { show } from '../system/options';
import { isObject } from '../system/json';
import { say } from '../system/wording';
import type { HeadSpec } from '../engine/model-spec';
import type { ReadyTokenizer } from '../tokenisation/tokenizer-json';
import { MODULE_CLASSES } from './save/layout';
import type { OpenedModel } from './types';

/** What a model computes and reads, as far as merging depends on it. */
export type MergeableModel = Pick<OpenedModel, 'id' | 'spec' | 'defaultPrompt'> & {
  layout: Pick<OpenedModel['layout'], 'doLowerCase' | 'includePrompt'>;
  tokeniser: { ready(): Promise<Pick<ReadyTokenizer, 'json'>> };
};

/** Dropout is of training alone. */
const ofTraining = new Set(['hiddenDropout', 'attentionDropout']);

/** A module with all that it is made of, as `Dense (inFeatures 32, outFeatures 16, bias true, activation "tanh")`. */
function moduleWords(module: HeadSpec | undefined): string {
  if (module === undefined) return 'no module';
  const { kind, ...made } = module;
  const parts = Object.entries(made).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  const name = MODULE_CLASSES[kind];
  return parts.length === 0 ? name : `${name} (${parts.join(', ')})`;
}

/** The vocabulary of a tokenizer.json as ids by token, whatever its algorithm. */
function vocabulary(json: Record<string, unknown>): ReadonlyMap<string, number> {
  const vocab = isObject(json['model']) ? json['model']['vocab'] : undefined;
  if (Array.isArray(vocab))
    return new Map(vocab.map((entry, id) => [String(Array.isArray(entry) ? entry[0] : entry), id]));
  return new Map(Object.entries(isObject(vocab) ? (vocab as Record<string, number>) : {}));
}

/** The first token that has another id, or none, in words. */
function vocabularyDifference(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): string | undefined {
  const id = (of: ReadonlyMap<string, number>, token: string) => of.get(token) ?? 'none';
  for (const token of [...a.keys(), ...b.keys()]) {
    if (a.get(token) === b.get(token)) continue;
    return `vocabulary: the token ${show(token)} has the id ${id(a, token)} and ${id(b, token)}`;
  }
  return undefined;
}

function tokenizerDifferences(a: Record<string, unknown>, b: Record<string, unknown>): string[] {
  const words = vocabularyDifference(vocabulary(a), vocabulary(b));
  if (words !== undefined) return [words];
  const rest = (json: Record<string, unknown>) => ({
    ...json,
    model: { ...(isObject(json['model']) ? json['model'] : {}), vocab: null },
  });
  const [one, other] = [rest(a), rest(b)];
  // How texts are cut and filled up is each call's own.
  const names = new Set(
    [...Object.keys(one), ...Object.keys(other)].filter((n) => !/^(version|truncation|padding)$/.test(n)),
  );
  return [...names]
    .filter((name) => !isDeepStrictEqual(one[name as 'model'] ?? null, other[name as 'model'] ?? null))
    .map((name) => `tokenizer: its ${name.replaceAll('_', ' ')} differs`);
}

/** What two models do not have in common, a phrase each: the first's and the second's. */
export async function mergeDifferences(a: MergeableModel, b: MergeableModel): Promise<string[]> {
  const encoder = Object.keys({ ...a.spec.encoder, ...b.spec.encoder })
    .filter((name) => !ofTraining.has(name))
    .flatMap((name) => {
      const [one, other] = [a, b].map(({ spec }) => spec.encoder[name as keyof typeof spec.encoder] ?? null);
      return isDeepStrictEqual(one, other) ? [] : [`${name}: ${show(one)} and ${show(other)}`];
    });
  const modules = Array.from({ length: Math.max(a.spec.head.length, b.spec.head.length) }, (_, i) =>
    [a, b].map(({ spec }) => moduleWords(spec.head[i])),
  ).flatMap(([one, other], i) => (one === other ? [] : [`module ${i + 1}: ${one} and ${other}`]));
  const others: [string, unknown, unknown][] = [
    ['lower-casing', a.layout.doLowerCase, b.layout.doLowerCase],
    ['prompt before every text', a.defaultPrompt, b.defaultPrompt],
  ];
  return [
    ...encoder,
    ...modules,
    ...tokenizerDifferences((await a.tokeniser.ready()).json, (await b.tokeniser.ready()).json),
    ...others
      .filter(([, one, other]) => one !== other)
      .map(([name, one, other]) => `${name}: ${show(one)} and ${show(other)}`),
  ];
}

/** @throws ModelError ERR_MERGE: names what the models do not have in common */
export async function checkMergeable(models: readonly MergeableModel[]): Promise<void> {
  const [first, ...others] = models;
  for (const other of others) {
    const found = await mergeDifferences(first!, other);
    if (found.length === 0) continue;
    const told = found.slice(0, 8).join('; ');
    throw new ModelError(
      'ERR_MERGE',
      `${first!.id} and ${other.id} cannot be merged, as weights of the one mean something else in the other: ` +
        `${told}${found.length > 8 ? `; and ${found.length - 8} more` : ''}.`,
      { remedy: say`Merge models that were fine-tuned from the same one, or that one itself.` },
    );
  }
}
