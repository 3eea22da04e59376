import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../setup/paths.mjs';
import { SetupError } from '../setup/step.mjs';

/** A file of the test data, which stands beside the repository because its terms do not let it be part of it. */
export function testData(...path) {
  const file = join(ROOT, '..', 'shared', 'data', ...path);
  if (existsSync(file)) return file;
  throw new SetupError(`This needs the test data ${file}, which is not part of the repository and is not here.`);
}
