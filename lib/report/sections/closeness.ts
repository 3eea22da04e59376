import { histogramLegend, histograms, type Group } from '../charts/histogram';
import { html, type Html } from '../html';
import type { RunCloseness } from '../record';
import { half } from './half';

/** How near what belongs together lay before and lies now, beside what does not. */
export function closeness({ together, apart, apartFrom }: RunCloseness): Html {
  const groups = (which: 'before' | 'after'): Group[] => [
    { className: 'zero', name: apartFrom, values: apart[which] },
    { className: 'one', name: 'what belongs together', values: together[which] },
  ];
  const [before, after] = histograms([groups('before'), groups('after')], ['Before', 'After'], [null, null]);
  return html`<div class="halves">${half(
    'Similarities of the validation rows',
    `Cosine of each anchor with what belongs to it, and with ${apartFrom}. The less the two overlap, the better they are told apart.`,
    html`${histogramLegend(groups('after'))}${before}${after}`,
  )}</div>`;
}
