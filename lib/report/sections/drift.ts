import { html, type Html } from '../html';
import { integer, measure, signed } from '../numbers';
import type { RunDrift } from '../record';

/** Of fewer pairs neither a mean nor a rank correlation says what words could. */
export const TELLING_PAIRS = 30;

/** How far the model moved away from what it was, in words. */
export function drift({ pairs, before, after, spearman, meanChange = null }: RunDrift): Html {
  const rise = after - before;
  const few = pairs < TELLING_PAIRS;
  const together = few
    ? 'Too few texts that no row has together to say whether unrelated ones came nearer to each other.'
    : Math.abs(rise) < 0.02
      ? 'On average unrelated texts are as near to each other as they were.'
      : rise > 0
        ? `Unrelated texts came nearer to each other${rise > 0.2 ? ': the model may be collapsing, so that everything looks alike' : ''}.`
        : 'Unrelated texts went farther from each other.';
  const order =
    spearman === null || few
      ? ''
      : spearman >= 0.95
        ? 'Which of them are nearer than others hardly changed: what the model knew, it still knows.'
        : spearman >= 0.8
          ? 'Which of them are nearer than others changed somewhat; other uses of the model may have got better or worse.'
          : 'Which of them are nearer than others changed much: expect other uses of the model to be worse, and measure them.';
  return html`<div class="half"><h2>What else moved</h2>
<p>${together} ${order}</p>
<p class="soft">${integer(pairs)} random pairs of the data's own texts: mean cosine ${measure(before)} before, ${measure(after)} after (${signed(rise)})${meanChange === null ? null : html`; a pair's moved by ${measure(meanChange)} on average`}${spearman === null ? null : html`; Spearman of their similarities before and after ${measure(spearman)}`}.</p></div>`;
}
