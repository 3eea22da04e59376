import { ModelError } from '../../system/errors';
import type { Fields } from '../../system/json';

/** For a setting under which the same tensors mean another computation. */
export function unlike(fields: Fields, what: string): ModelError {
  return new ModelError('ERR_UNKNOWN_ARCHITECTURE', `${fields.file}: ${what}. Choose another model.`, {
    file: fields.file,
  });
}

/** Settings that must not be on. */
export function refuse(fields: Fields, names: readonly string[], why: string): void {
  for (const name of names) if (fields.boolean(name, false)) throw unlike(fields, `"${name}" is true: ${why}`);
}

/** Settings that may be left out, or must be what is computed. */
export function refuseOthers(
  fields: Fields,
  computed: readonly (readonly [name: string, only: string | number | boolean | null])[],
  why: string,
): void {
  for (const [name, only] of computed) {
    if (fields.has(name) && fields.object[name] !== only) {
      throw unlike(fields, `"${name}" is ${JSON.stringify(fields.object[name])}: ${why} (${JSON.stringify(only)})`);
    }
  }
}
