import { html, type Html } from '../html';
import { measure, signed } from '../numbers';
import { measuredOn } from '../measured-on';
import { measureTitle } from '../names';
import type { RunRecord } from '../record';

/** Every measure before and after, with the interval of the difference. */
export function measures(record: RunRecord): Html | null {
  const { comparison } = record;
  const primary = comparison?.primary ?? record.primary;
  if (comparison === null) return fromEpochs(record);
  const names = Object.keys(comparison.measures).sort((a, b) => Number(b === primary) - Number(a === primary));
  const share = comparison.confidence === null ? '' : `${Math.round(100 * comparison.confidence)} % interval`;
  const rows = names.map((name) => {
    const { a, b, difference, interval, verdict } = comparison.measures[name]!;
    const kind = verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : '';
    return html`<tr><td>${measureTitle(name)}</td><td class="n">${measure(a)}</td><td class="n">${measure(b)}</td><td class="n">${signed(difference)}</td><td class="n">${interval === null ? '' : `${signed(interval.low)} … ${signed(interval.high)}`}</td><td class="${kind}">${verdict ?? ''}</td></tr>`;
  });
  return html`<section><h2>Measures on ${measuredOn(record)}</h2>
<div class="scroll"><table class="measures"><thead><tr><th>Measure</th><th class="n">before</th><th class="n">after</th><th class="n">difference</th><th class="n">${share}</th><th></th></tr></thead><tbody>${rows}</tbody></table></div>
<p class="soft">The interval of the difference is by the paired bootstrap over rows; where it holds 0, chance may have made the difference.</p></section>`;
}

/** Only of the measure that was gone by it is known what chance makes. */
function fromEpochs(record: RunRecord): Html | null {
  const { epochs, bestEpoch, gain } = record;
  const before = epochs.find(({ epoch }) => epoch === 0)?.measures;
  const after = epochs.find(({ epoch }) => epoch === bestEpoch)?.measures;
  if (before === undefined || after === undefined) return null;
  const rows = Object.keys(before).flatMap((name) => {
    const [a, b] = [before[name], after[name]];
    if (typeof a !== 'number' || typeof b !== 'number') return [];
    const verdict = gain?.measure === name && bestEpoch > 0 ? gain.verdict : null;
    const kind = verdict === 'better' ? 'good' : verdict === 'worse' ? 'bad' : '';
    return [
      html`<tr><td>${measureTitle(name)}</td><td class="n">${measure(a)}</td><td class="n">${measure(b)}</td><td class="n">${signed(b - a)}</td><td class="${kind}">${verdict ?? ''}</td></tr>`,
    ];
  });
  return html`<section><h2>Measures on ${measuredOn(record)}</h2><div class="scroll"><table class="measures"><thead><tr><th>Measure</th><th class="n">before</th><th class="n">after</th><th class="n">difference</th><th></th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}
