import type { RunPrompts } from './record';

/** Forms whose rows are what is searched with, and what is found. */
const searched: ReadonlySet<string> = new Set(['positive-pairs', 'triplets', 'candidates']);

/** Whether rows of a form are what is searched with, and what is found. */
export function isSearched(form: string | null | undefined): boolean {
  return form != null && searched.has(form);
}

/**
 * What stood before a row's first text, and before its others; undefined where nothing did.
 *
 * @param form null of several data sets: prompts by set are not told
 */
export function usedPrompts(
  prompts: RunPrompts | null | undefined,
  form: string | null | undefined,
): readonly [first: string | undefined, other: string | undefined] {
  if (typeof prompts === 'string') return [prompts, prompts];
  if (prompts == null || form === null) return [undefined, undefined];
  const of = (...names: readonly string[]): string | undefined =>
    names
      .map((name) => (Object.hasOwn(prompts, name) ? prompts[name] : undefined))
      .find((text) => typeof text === 'string');
  return [of('text', 'text1', 'anchor'), of('text', 'text2', 'positive', 'candidates')];
}
