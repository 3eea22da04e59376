import { html, type Html } from '../html';
import { tick } from '../numbers';
import type { ComparedRow, RunComparison } from '../record';

/** Longest text that is shown whole. */
const LONGEST = 300;

/** The rows that changed most, each way. */
export function rows({ kind, better, worse }: RunComparison): Html | null {
  if (better.length === 0 && worse.length === 0) return null;
  const wanted = kind === 'labels' ? 'label' : 'score';
  return html`<section><h2>Rows that changed most</h2>
<p class="soft">By how far their place among all rows came nearer to what their ${wanted} asks for, or went away from it.</p>
${listed('Better', 'good', better, wanted)}${listed('Worse', 'bad', worse, wanted)}</section>`;
}

function listed(title: string, kind: string, list: readonly ComparedRow[], wanted: string): Html | null {
  if (list.length === 0) return null;
  const lines = list.map(
    (row) =>
      html`<tr><td class="n" data-name="${wanted}">${typeof row.wanted === 'number' ? tick(row.wanted) : (row.wanted ?? '')}</td><td class="n" data-name="before">${row.before.toFixed(3)}</td><td class="n" data-name="after">${row.after.toFixed(3)}</td><td class="texts">${row.texts.map((text) => html`<p>${cut(text)}</p>`)}</td></tr>`,
  );
  return html`<h3 class="${kind}">${title}</h3><table class="rows"><thead><tr><th class="n">${wanted}</th><th class="n">before</th><th class="n">after</th><th>texts</th></tr></thead><tbody>${lines}</tbody></table>`;
}

function cut(text: string): string {
  if (text.trim() === '') return '(empty)';
  const characters = [...text];
  return characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST).join('')}…`;
}
