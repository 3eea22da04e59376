import { html, type Html } from '../html';
import { tick } from '../numbers';
import type { ComparedRow, RunChanged } from '../record';

/** Longest text that is shown whole. */
const LONGEST = 300;

/** What stands in the columns, and by what rows changed. */
interface Kind {
  /** Of the label, score or class; none where rows have none. */
  wanted?: string;
  /** Of the numbers before and after. */
  value: string;
  by: string;
}

const places = 'By how far their place among all rows came nearer to what their';
const kinds: Readonly<Record<RunChanged['kind'], Kind>> = {
  labels: { wanted: 'label', value: '', by: `${places} label asks for, or went away from it.` },
  scores: { wanted: 'score', value: '', by: `${places} score asks for, or went away from it.` },
  queries: {
    value: 'place ',
    by: 'By the place of the first text that belongs to the query among all that were searched; – where it is not among those that were looked at.',
  },
  triplets: { value: '', by: 'By how much nearer the anchor is to its positive than to its negative.' },
  texts: {
    wanted: 'class',
    value: '',
    by: 'By the silhouette: how much nearer a text is to its own class than to the next, from -1 to 1.',
  },
  pairs: {
    wanted: 'class',
    value: '',
    by: 'By how likely a classifier of their vectors, fitted on other rows, holds their class to be, from 0 to 1.',
  },
  vectors: { value: '', by: "By the cosine with the teacher's vector." },
};

/** The rows that changed most, each way. */
export function rows({ kind, better, worse }: RunChanged): Html | null {
  if (better.length === 0 && worse.length === 0) return null;
  const of = kinds[kind];
  return html`<section><h2>Rows that changed most</h2>
<p class="soft">${of.by}</p>
${listed('Better', 'good', better, of, kind)}${listed('Worse', 'bad', worse, of, kind)}</section>`;
}

function listed(
  title: string,
  className: string,
  list: readonly ComparedRow[],
  { wanted, value }: Kind,
  kind: RunChanged['kind'],
): Html | null {
  if (list.length === 0) return null;
  const number = (one: number | null): string =>
    one === null ? '–' : kind === 'queries' ? String(one) : one.toFixed(3);
  const label = (one: ComparedRow['wanted']): string => (typeof one === 'number' ? tick(one) : cut(one ?? ''));
  const lines = list.map(
    (row) =>
      html`<tr>${wanted === undefined ? null : html`<td class="n" data-name="${wanted}">${label(row.wanted)}</td>`}<td class="n" data-name="${value}before">${number(row.before)}</td><td class="n" data-name="${value}after">${number(row.after)}</td><td class="texts">${row.texts.map((text) => html`<p>${cut(text)}</p>`)}${found(row)}</td></tr>`,
  );
  return html`<h3 class="${className}">${title}</h3><table class="rows"><thead><tr>${wanted === undefined ? null : html`<th class="n">${wanted}</th>`}<th class="n">${value}before</th><th class="n">${value}after</th><th>texts</th></tr></thead><tbody>${lines}</tbody></table>`;
}

/** Of a query: what belongs to it, and what was put first. */
function found({ wanted, answers }: ComparedRow): Html | null {
  if (answers === undefined) return null;
  const line = (name: string, text: string | null): Html =>
    html`<p><span class="soft">${name}:</span> ${text === null ? '–' : cut(text)}</p>`;
  return html`${line('belongs to it', wanted === null ? null : String(wanted))}${line('first before', answers.a.first)}${line('first after', answers.b.first)}`;
}

function cut(text: string): string {
  if (text.trim() === '') return '(empty)';
  const characters = [...text];
  return characters.length <= LONGEST ? text : `${characters.slice(0, LONGEST).join('')}…`;
}
