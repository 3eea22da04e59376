import { html, type Html } from '../html';
import { integer, measure, signed } from '../numbers';
import { measureWords } from '../names';
import type { Outcome } from '../outcome';
import type { RunKept } from '../record';

/** What became of the rows that the model had to go on being good at. */
export function kept({ measure: name, rows, before, after, margin, bound }: RunKept, outcome: Outcome): Html {
  const known = before !== null && after !== null;
  const held = !known
    ? 'It could not be measured.'
    : bound
      ? outcome === 'taken'
        ? 'Less of the training was taken to keep it.'
        : 'Nothing of the training was taken, as it would not have been kept.'
      : 'Nothing had to be left out of the training to keep it.';
  return html`<div class="half"><h2>What was to be kept</h2>
<p>The ${measureWords(name)} of ${rows === null ? 'the rows' : `${integer(rows)} rows`} might fall by ${measure(margin)} at most. ${held}</p>
<p class="soft">${measure(before)} before, ${measure(after)} after${known ? ` (${signed(after - before)})` : ''}.</p></div>`;
}
