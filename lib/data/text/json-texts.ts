import { jsonLayout, JsonValues, type JsonText } from './json-values';
import { splitLines } from './lines';

/**
 * The JSON values of a text, as texts, those of each piece together: one in each line, the elements of one list, or one
 * after another, as the beginning of the text shows. Empty lines are skipped.
 *
 * @param byLines whether a text that does not begin with a list has a value in each line
 * @param lists whether a value may be a list of plain values
 */
export async function* jsonTexts(
  pieces: AsyncGenerator<string, void, undefined>,
  byLines: boolean,
  lists: boolean,
): AsyncGenerator<JsonText[], void, undefined> {
  let beginning = '';
  let ended = false;
  // The layout shows in the first two characters that are not space.
  while (!ended && beginning.replaceAll(/\s/g, '').length < 2) {
    const next = await pieces.next();
    if (next.done === true) ended = true;
    else beginning += next.value;
  }
  async function* all(): AsyncGenerator<string, void, undefined> {
    yield beginning;
    if (!ended) yield* pieces;
  }
  const layout = jsonLayout(beginning, byLines, lists);
  if (layout === 'lines') {
    for await (const lines of splitLines(all())) {
      const values = lines.filter(({ text }) => text.trim() !== '').map(({ text, number }) => ({ text, line: number }));
      if (values.length > 0) yield values;
    }
    return;
  }
  const values = new JsonValues(layout === 'array');
  for await (const piece of all()) {
    const found = values.push(piece);
    if (found.length > 0) yield found;
  }
  const last = values.end();
  if (last.length > 0) yield last;
}
