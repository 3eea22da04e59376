import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { DelimitedRecords, QuoteError, type DelimitedRecord } from '../../../lib/data/formats/delimited-records';
import { JsonValues } from '../../../lib/data/text/json-values';
import { splitLines } from '../../../lib/data/text/lines';

/** What is cut out of a text is the same however the text comes in pieces, and is what another parser finds. */

const letters = fc.constantFrom('a', 'é', ',', ',', '"', '"', '""', '\n', '\n', '\r\n', '\r', '\u2028', ' ', '');
const texts = fc.array(letters, { maxLength: 40 }).map((parts) => parts.join(''));
const cuts = fc.array(fc.nat(40), { maxLength: 6 });
const runs = { numRuns: 3000, seed: 20240229 };

function pieces(text: string, at: readonly number[]): string[] {
  const places = [0, ...at.filter((place) => place < text.length).sort((a, b) => a - b), text.length];
  return places.slice(1).map((end, i) => text.slice(places[i], end));
}

function records(parts: readonly string[], quoting: boolean): (DelimitedRecord | string)[] {
  const parser = new DelimitedRecords(',', quoting);
  const all: (DelimitedRecord | string)[] = [];
  try {
    for (const part of parts) all.push(...parser.push(part));
    all.push(...parser.end());
    parser.check();
  } catch (error) {
    if (!(error instanceof QuoteError)) throw error;
    all.push(`${error.kind} ${error.line} ${error.field} ${error.lastLine}`);
  }
  return all;
}

test.each([true, false])('records, with quoting %s', (quoting) => {
  let compared = 0;
  fc.assert(
    fc.property(texts, cuts, (text, at) => {
      const whole = records([text], quoting);
      expect(records(pieces(text, at), quoting)).toEqual(whole);
      const lines = text.split('\n').length;
      for (const record of whole) if (typeof record !== 'string') expect(record.lastLine).toBeLessThanOrEqual(lines);
      if (/\r(?!\n)/.test(text)) return; // to csv-parse the end of a line may be a lone CR
      let other: string[][];
      try {
        other = parse(text, {
          quote: quoting ? '"' : false,
          relax_column_count: true,
          skip_empty_lines: true,
          record_delimiter: ['\r\n', '\n'],
        });
      } catch {
        return; // it refuses quotes within fields, which are characters here
      }
      ++compared;
      expect(whole.map((record) => (typeof record === 'string' ? record : record.fields))).toEqual(other);
    }),
    runs,
  );
  expect(compared).toBeGreaterThan(500);
});

test('lines', async () => {
  await fc.assert(
    fc.asyncProperty(texts, cuts, async (text, at) => {
      const lines: string[] = [];
      async function* parts() {
        yield* pieces(text, at);
      }
      for await (const some of splitLines(parts())) {
        for (const line of some) {
          lines.push(line.text);
          expect(line.number).toBe(lines.length);
        }
      }
      const expected = text.split('\n').map((line) => line.replace(/\r$/, ''));
      if (text.endsWith('\n') || text === '') expected.pop();
      expect(lines).toEqual(expected);
    }),
    runs,
  );
});

test('JSON values', () => {
  const space = fc.constantFrom('', ' ', '\n', '\r\n\t');
  fc.assert(
    fc.property(
      fc.array(fc.json(), { minLength: 1, maxLength: 5 }),
      space,
      fc.boolean(),
      cuts,
      (values, gap, array, at) => {
        const text = array
          ? `${gap}[${values.map((value) => `${gap}${value}${gap}`).join(',')}]${gap}`
          : values.join(`${gap}\n`);
        const parser = new JsonValues(array);
        const found = [...pieces(text, at).flatMap((piece) => parser.push(piece)), ...parser.end()];
        expect(found.map((value) => JSON.parse(value.text) as unknown)).toEqual(
          values.map((value) => JSON.parse(value) as unknown),
        );
      },
    ),
    runs,
  );
});
