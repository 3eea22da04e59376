import { histogramLegend, histograms, type Group } from '../charts/histogram';
import { html, type Html } from '../html';
import { rowsWords } from '../names';
import type { RunCloseness, RunRecord } from '../record';
import { half } from './half';

/** How near what belongs together lay before and lies now, beside what does not: a card for each data set. */
export function closeness(record: RunRecord): Html | null {
  const blocks = [record.closeness ?? []].flat();
  if (blocks.length === 0) return null;
  return html`<div class="halves">${blocks.map((block) => card(block, rowsWords(record)))}</div>`;
}

function card({ set, together, togetherWith, apart, apartFrom }: RunCloseness, rows: string): Html {
  const groups = (which: 'before' | 'after'): Group[] => [
    { className: 'zero', name: apartFrom, values: apart[which] },
    { className: 'one', name: togetherWith ?? 'what belongs together', values: together[which] },
  ];
  const [before, after] = histograms([groups('before'), groups('after')], ['Before', 'After'], [null, null]);
  const what =
    togetherWith === undefined
      ? `Cosine of each anchor with what belongs to it, and with ${apartFrom}.`
      : `Cosines: ${togetherWith}, and ${apartFrom}.`;
  return half(
    `Similarities of ${rows}${set === undefined ? '' : ` of ${set}`}`,
    `${what} The less the two overlap, the better they are told apart.`,
    html`${histogramLegend(groups('after'))}${before}${after}`,
  );
}
