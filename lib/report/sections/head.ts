import { html, type Html } from '../html';
import { duration, integer, measure, signed } from '../numbers';
import { measuredOn } from '../measured-on';
import { measureTitle } from '../names';
import type { RunRecord } from '../record';
import { TELLING_PAIRS } from './drift';

/** What came of the run, in one sentence and some numbers. */
export function head(record: RunRecord): Html {
  const { model, bestEpoch, epochs, seconds, drift } = record;
  const primary = primaryOf(record);
  const measured = record.comparison?.measures[primary];
  const before = measured?.a ?? epochs.find(({ epoch }) => epoch === 0)?.measures[primary] ?? null;
  const after = measured?.b ?? epochs.find(({ epoch }) => epoch === bestEpoch)?.measures[primary] ?? null;
  const trained = epochs.filter(({ epoch }) => epoch > 0).length;
  const tile = (name: string, value: string, more = ''): Html =>
    html`<div><dt>${name}</dt><dd>${value}${more === '' ? null : html` <small>${more}</small>`}</dd></div>`;
  const tiles = [
    ...(before === null || after === null
      ? []
      : [tile(`${measureTitle(primary)}, ${tileRows(record)}`, measure(after), `from ${measure(before)}`)]),
    tile('Epochs', integer(trained), bestEpoch === 0 ? 'untrained weights kept' : `epoch ${bestEpoch} kept`),
    ...(seconds === null ? [] : [tile('Time', duration(seconds))]),
    ...(drift === null || drift.spearman === null || drift.pairs < TELLING_PAIRS
      ? []
      : [tile('Order of other similarities kept', measure(drift.spearman), 'of 1')]),
  ];
  return html`<header>
<h1>Fine-tuning of ${model}</h1>
<p class="soft">${record.created.slice(0, 16).replace('T', ' ')} UTC${record.folder === null ? null : html` · saved to <code>${record.folder}</code>`}</p>
${record.stopped == null ? null : html`<p class="verdict bad"><strong>The run did not come to its end.</strong> ${record.stopped}</p>`}
<p class="verdict">${verdict(record, before, after)}</p>
<dl class="tiles">${tiles}</dl>
</header>`;
}

/** Of other rows than the run's it is that of their form. */
function primaryOf({ primary, comparison }: RunRecord): string {
  return comparison?.of == null ? primary : (comparison.primary ?? primary);
}

function tileRows({ comparison, crossCheck }: RunRecord): string {
  return comparison?.of?.name ?? (crossCheck ? `all ${integer(crossCheck.rows)} rows` : 'validation');
}

/** Why the model is as it was. */
function untouched({ outcome, crossCheck, chosenBy }: RunRecord): Html {
  const name = measureTitle(chosenBy);
  switch (outcome) {
    case 'keep-failed':
      return html`<strong>What was to be kept was not</strong>: no share of any epoch's weights kept it within the margin, so the untrained weights were kept.`;
    case 'not-shown':
      return html`<strong>No gain shows</strong>: ${name} was better after training, but by no more than chance makes of ${crossCheck ? `${integer(crossCheck.rows)} rows` : 'so few rows'}, so the untrained weights were kept. More rows would tell.`;
    default:
      return html`<strong>Nothing got better</strong>: no epoch had a better ${name} than the untrained model, whose weights were kept.`;
  }
}

function verdict(record: RunRecord, before: number | null, after: number | null): Html {
  const { bestEpoch, comparison, gain, stoppedEarly, outcome } = record;
  const primary = primaryOf(record);
  const name = measureTitle(primary);
  if (before === null || after === null) {
    const kept = outcome === 'keep-failed' ? html`${untouched(record)} ` : null;
    return html`${kept}Nothing was measured: there were no validation rows, so nothing says whether the model is better.`;
  }
  const early = stoppedEarly ? ' Training ended early, as it got no better.' : '';
  if (bestEpoch === 0 && comparison?.of == null) return html`${untouched(record)}${early}`;
  const change = html`${name} on ${measuredOn(record)} went from ${measure(before)} to <strong>${measure(after)}</strong> (${signed(after - before)})`;
  const told = gain?.measure === primary ? gain : undefined;
  const compared = comparison?.measures[primary];
  const found = compared ?? told;
  const interval = found?.interval;
  if (interval === undefined || interval === null) {
    // Of several data sets the parts are judged, not their mean.
    const few = found !== undefined && primary !== 'average' ? ' That is too few rows to tell from chance.' : '';
    return html`${change}.${few}${early}`;
  }
  const share = Math.round(100 * ((compared === undefined ? told : comparison)?.confidence ?? 0.95));
  const bounds = `${signed(interval.low)} to ${signed(interval.high)}`;
  if (found?.verdict === 'worse') {
    return html`${change}: <strong>that is worse</strong>, by more than chance would make of so many rows (${share} % interval ${bounds}).${early}`;
  }
  return found?.verdict === 'within noise'
    ? html`${change}. <strong>That is within noise</strong>: of so few rows, chance alone makes differences like it (${share} % interval ${bounds}).${early}`
    : html`${change}, more than chance would make of so many rows (${share} % interval ${bounds}).${early}`;
}
