import { LabelledSimilarities } from '../../evaluate/metrics/classification';
import { atOnce } from '../../evaluate/work';
import { histogramLegend, histograms, type Group } from '../charts/histogram';
import { lineChart } from '../charts/lines';
import { html, type Html } from '../html';
import { measuredOnShort } from '../measured-on';
import { measure } from '../numbers';
import type { RunComparison, RunRecord } from '../record';
import { half } from './half';

/** Points of a precision-recall curve that are drawn. */
const CURVE_POINTS = 300;

/** Where the similarities of pairs lay before and lie now; of labelled rows what a threshold would do. */
export function similarities(record: RunRecord, comparison: RunComparison): Html | null {
  const { kind, wanted, before, after, measures } = comparison;
  if (kind !== 'labels' && kind !== 'scores') return null;
  const rows = measuredOnShort(record);
  const groups = (values: readonly number[]): Group[] =>
    kind === 'labels' ? byLabel(wanted, values) : byThird(wanted, values);
  const [one, other] = [groups(before), groups(after)];
  const threshold = (which: 'a' | 'b'): number | null =>
    kind === 'labels' ? (measures['f1Threshold']?.[which] ?? null) : null;
  const drawn = (first: string, second: string): [Html, Html] =>
    histograms([one, other], [first, second], [threshold('a'), threshold('b')]);
  if (kind === 'scores') {
    const text = 'Share of the rows of each third of the scores. The more the thirds lie in their order, the better.';
    const title = rows.replace(/^the (.)/, (_, first: string) => first.toUpperCase());
    const cards = drawn(title, title).map((chart, i) =>
      half(i === 0 ? 'Similarities before' : 'Similarities after', text, html`${histogramLegend(other)}${chart}`),
    );
    return html`<div class="halves">${cards}</div>`;
  }
  const overlap = half(
    `Similarities of ${rows}`,
    'Share of the rows of each label. The less the two overlap, the better they are told apart.',
    html`${histogramLegend(other)}${drawn('Before', 'After')}`,
  );
  return html`<div class="halves">${overlap}${precisionRecall(comparison)}</div>`;
}

function byLabel(labels: readonly number[], values: readonly number[]): Group[] {
  const of = (label: number): number[] => values.filter((_, i) => (labels[i] === 1 ? 1 : 0) === label);
  return [
    { className: 'zero', name: 'label 0', values: of(0) },
    { className: 'one', name: 'label 1', values: of(1) },
  ];
}

/** Rows by the third of the scores that theirs lies in. */
function byThird(scores: readonly number[], values: readonly number[]): Group[] {
  const sorted = [...scores].sort((a, b) => a - b);
  const [low, high] = [sorted[Math.floor(sorted.length / 3)]!, sorted[Math.floor((2 * sorted.length) / 3)]!];
  const third = (score: number): number => (score < low ? 0 : score < high ? 1 : 2);
  const of = (wanted: number): number[] => values.filter((_, i) => third(scores[i]!) === wanted);
  return [
    { className: 'zero', name: 'lowest scores', values: of(0) },
    { className: 'middle', name: 'middle scores', values: of(1) },
    { className: 'one', name: 'highest scores', values: of(2) },
  ];
}

function precisionRecall({ wanted, before, after, measures }: RunComparison): Html {
  const [one, other] = [curve(before, wanted), curve(after, wanted)];
  const { f1Threshold, precision, recall } = measures;
  const mark =
    typeof precision?.b !== 'number' || typeof recall?.b !== 'number'
      ? undefined
      : { x: recall.b, y: precision.b, name: `from ${(f1Threshold?.b ?? 0).toFixed(3)}` };
  return half(
    'Precision and recall',
    mark === undefined
      ? 'For each threshold: which share of the rows that it names similar are (precision), which share of the similar it names (recall).'
      : `With the threshold ${(f1Threshold?.b ?? 0).toFixed(3)}, which is best for F1, ${percent(precision!.b)} of what is named similar is, and ${percent(recall!.b)} of the similar is named. To the left are stricter thresholds.`,
    html`${lineChart({
      description: `Precision by recall before and after; with the best threshold after, precision ${measure(precision?.b)} and recall ${measure(recall?.b)}.`,
      xLabel: 'recall',
      x: { low: 0, high: 1 },
      y: { low: 0, high: 1 },
      series: [
        { className: 'before', name: 'before', style: 'line', points: one },
        { className: 'after', name: 'after', style: 'line', points: other },
      ],
      mark,
    })}${choices(after, wanted)}`,
  );
}

function curve(similarities: readonly number[], labels: readonly number[]): (readonly [number, number])[] {
  const points = atOnce(LabelledSimilarities.of(similarities, labels)).curve();
  const every = Math.max(1, Math.ceil(points.length / CURVE_POINTS));
  return points
    .filter((_, i) => i % every === 0 || i === points.length - 1)
    .map(({ recall, precision }) => [recall, precision] as const);
}

/** Thresholds to choose from: the lowest that reaches a precision. */
function choices(similarities: readonly number[], labels: readonly number[]): Html | null {
  const points = atOnce(LabelledSimilarities.of(similarities, labels)).curve();
  const told = new Set<number>();
  const rows = [0.8, 0.9, 0.95, 0.99].flatMap((wanted) => {
    const point = points.findLast(({ precision }) => precision >= wanted);
    if (point === undefined || told.has(point.threshold)) return [];
    told.add(point.threshold);
    return [
      html`<tr><td>${percent(wanted)}</td><td class="n">${point.threshold.toFixed(3)}</td><td class="n">${percent(point.precision)}</td><td class="n">${percent(point.recall)}</td></tr>`,
    ];
  });
  if (rows.length === 0) return null;
  return html`<table><thead><tr><th>right, at least</th><th class="n">threshold</th><th class="n">precision</th><th class="n">recall</th></tr></thead><tbody>${rows}</tbody></table>`;
}

export function percent(share: number | null): string {
  return share === null ? '–' : `${Number((100 * share).toFixed(1))} %`;
}
