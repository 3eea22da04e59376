import { parseJson } from '../../../lib/system/json';

/** JSON of files that others made: as JSON.parse reads it, but not nested beyond any use. */

const nested = (levels: number, inner = '1') => '['.repeat(levels) + inner + ']'.repeat(levels);

test('64 levels are read, 65 are refused, brackets in texts are none', () => {
  expect(parseJson(nested(64))).toEqual(JSON.parse(nested(64)));
  expect(() => parseJson(nested(65))).toThrow(/nested more than 64 levels deep/);
  expect(() => parseJson('{"a":'.repeat(65) + '1' + '}'.repeat(65))).toThrow(SyntaxError);
  const text = JSON.stringify({ a: '['.repeat(100), '{"\\': ['\\"[', '{'.repeat(80), '"'] });
  expect(parseJson(text)).toEqual(JSON.parse(text));
  expect(parseJson(`[${Array(200).fill('[]').join(',')}]`)).toHaveLength(200);
  expect(() => parseJson('["')).toThrow(SyntaxError);
});
