import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';

/** Two numbers of a list's members, the first and the last. */
const RANGE = /^((?:.*\.)?)(\d+)-(\d+)((?:\..*)?)$/;

/**
 * Names to freeze with each range ('encoder.layer.0-5') as the names that it stands for.
 *
 * @param parameters names of the model's parameters
 * @throws InvalidArgumentError ERR_INVALID_OPTION: a range goes down, or beyond the layers that there are
 */
export function frozenNames(freeze: readonly string[], parameters: readonly string[], id: string): string[] {
  return freeze.flatMap((name) => {
    const range = RANGE.exec(name);
    if (range === null) return [name];
    const [before, from, to, behind] = [range[1]!, Number(range[2]), Number(range[3]), range[4]!];
    const there = new Set(
      parameters
        .filter((parameter) => parameter.startsWith(before))
        .map((parameter) => /^\d+(?=\.)/.exec(parameter.slice(before.length))?.[0])
        .filter((number) => number !== undefined)
        .map(Number),
    );
    // A name before the numbers that no parameter has is told as any other such name is.
    if (there.size === 0) return [name];
    const [first, last] = [Math.min(...there), Math.max(...there)];
    if (from > to || from < first || to > last) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option('freeze')} names "${name}", but ${
          from > to ? `${from} is behind ${to}` : `${id} has ${before}${first} to ${before}${last}`
        }.`,
        { remedy: say`All of them are "${before}${first}-${last}${behind}".` },
      );
    }
    return Array.from({ length: to - from + 1 }, (_, i) => `${before}${from + i}${behind}`);
  });
}
