import { inspect } from 'node:util';
import { InvalidArgumentError } from '../../../lib/system/errors';

test('a place that an error does not have is not shown as undefined', () => {
  const error = new InvalidArgumentError('ERR_EMPTY_DATA', 'There are no rows.', { row: 3 });
  expect(Object.keys(error).sort()).toEqual(['code', 'name', 'row']);
  expect(inspect(error)).not.toContain('undefined');
});
