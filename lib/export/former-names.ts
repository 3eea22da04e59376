/**
 * Names of an architecture's tensors before it had those of transformers: a model that was read by them is written by them.
 * The engine's own are in native/engine/model/architectures.
 */
export interface FormerNames {
  /** Parts of names, as they were and as they are, one after the other. */
  replace: readonly (readonly [was: string, is: string])[];
  /** Of tensors that were one, equal parts one above the other. */
  joined: readonly (readonly [was: string, are: readonly string[]])[];
}

/** The names of what a tensor holds, from its first row on. */
export function presentNames(name: string, { replace, joined }: FormerNames): string[] {
  const [was, are] = joined.find(([one]) => name.includes(one)) ?? ['', ['']];
  return are.map((part) => replace.reduce((all, [from, to]) => all.replace(from, to), name.replace(was, part)));
}
