import { html, type Html } from '../html';
import { tick } from '../numbers';
import type { RunRecord } from '../record';

/** Data, settings, versions: what is needed to do it again. */
export function facts({ data, settings, versions, notes }: RunRecord): Html {
  const list = (values: Record<string, string | number | boolean | null>): Html =>
    html`<table class="facts">${Object.entries(values).map(([name, value]) => html`<tr><td>${name}</td><td>${value === null ? '–' : typeof value === 'number' ? tick(value) : String(value)}</td></tr>`)}</table>`;
  return html`<div class="halves">
<div class="half"><h2>Settings</h2><div class="scroll">${list(settings)}</div></div>
<div class="half"><h2>Data</h2>${data.map((line) => html`<p>${line}</p>`)}
${notes.length === 0 ? null : html`<h3>Worth knowing</h3><ul>${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
<h2>Versions</h2><div class="scroll">${list(versions)}</div></div>
</div>`;
}
