import { nearest } from '../system/options';
import { InvalidArgumentError } from '../system/errors';

/** The columns of a file: by name, or by number (from 0) where rows are lists. */
export interface ColumnChoice {
  /** Column of the first text. Default: one of the usual names. */
  text1?: string | number;
  /** Column of the second text. Default: one of the usual names. */
  text2?: string | number;
  /** Column of the score. Default: one of the usual names. */
  score?: string | number;
}

export type Role = 'text1' | 'text2' | 'score';
export const roles: readonly Role[] = ['text1', 'text2', 'score'];

/** Names under which public data sets carry each column; compared without case, spaces and punctuation. */
const aliases: Record<Role, readonly string[]> = {
  text1: ['text1', 'sentence1', 'question1'],
  text2: ['text2', 'sentence2', 'question2'],
  score: ['score', 'similarity', 'similarityscore', 'label', 'isduplicate'],
};

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

function columnError(file: string, message: string): InvalidArgumentError {
  return new InvalidArgumentError('ERR_DATA_FILE', `${file}: ${message}`, { file });
}

/**
 * Finds each role's position among a file's column names. A column that was not chosen is found by its
 * alias; two candidates for one role are refused, since a guess could train on the wrong column.
 */
export function resolveColumns(file: string, names: readonly string[], choice: ColumnChoice): Record<Role, number> {
  const found = {} as Record<Role, number>;
  const listed = names.map((name) => `"${name}"`).join(', ');
  for (const role of roles) {
    const chosen = choice[role];
    if (typeof chosen === 'number') {
      if (chosen >= names.length) {
        throw columnError(
          file,
          `columns.${role} is ${chosen}, but there are only ${names.length} columns (0 to ` + `${names.length - 1}).`,
        );
      }
      found[role] = chosen;
      continue;
    }
    if (chosen !== undefined) {
      found[role] = names.indexOf(chosen);
      if (found[role] < 0) {
        const meant = nearest(chosen, names);
        throw columnError(
          file,
          `there is no column "${chosen}" (columns.${role}). ` +
            (meant === undefined ? `The columns are: ${listed}.` : `Did you mean "${meant}"?`),
        );
      }
      continue;
    }
    const candidates = names.flatMap((name, i) => (aliases[role].includes(plain(name)) ? [i] : []));
    if (candidates.length !== 1) {
      const problem = candidates.length === 0 ? 'no column is known to hold' : `${candidates.length} columns may hold`;
      throw columnError(
        file,
        `${problem} ${role === 'score' ? 'the score' : role}. The columns are: ${listed}. Say which ` +
          `with the option columns: { ${role}: '...' }.`,
      );
    }
    found[role] = candidates[0]!;
  }
  if (new Set(roles.map((role) => found[role])).size < 3) {
    throw columnError(file, 'two of text1, text2 and score are the same column.');
  }
  return found;
}
