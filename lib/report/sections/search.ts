import { html, type Html } from '../html';
import { duration, integer, measure, tick } from '../numbers';
import { measureTitle } from '../names';
import type { RunRecord } from '../record';

/** The trials that chose learning rate and batch. */
export function search({ search: found }: RunRecord): Html | null {
  if (found == null || found.trials.length === 0) return null;
  const { rows, trials, chosen } = found;
  const batch = (size: number | null): string => (size === null ? 'as found' : integer(size));
  const lines = trials.map(({ learningRate, effectiveBatchSize, value, seconds }) => {
    const taken =
      chosen !== null && chosen.learningRate === learningRate && chosen.effectiveBatchSize === effectiveBatchSize;
    return html`<tr><td class="n">${tick(learningRate)}</td><td class="n">${batch(effectiveBatchSize)}</td><td class="n">${measure(value)}</td><td class="n">${seconds === null ? '–' : duration(seconds)}</td><td>${taken ? 'chosen' : ''}</td></tr>`;
  });
  const on =
    rows === null
      ? ''
      : ` Each was trained on ${integer(rows.training)} rows and measured with ${integer(rows.validation)}.`;
  return html`<section><h2>Search for learning rate and batch</h2>
<p class="soft">The first is the recipe's own.${on}</p>
<div class="scroll"><table class="measures"><thead><tr><th class="n">learning rate</th><th class="n">rows of a step</th><th class="n">${measureTitle(found.measure)}</th><th class="n">time</th><th></th></tr></thead><tbody>${lines}</tbody></table></div></section>`;
}
