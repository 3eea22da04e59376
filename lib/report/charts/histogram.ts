import { html, type Html } from '../html';
import { integer, tick } from '../numbers';
import { chart, legend, MARGIN, place, PLOT, WIDTH } from './frame';
import { linearScale } from './scale';

export interface Group {
  className: string;
  name: string;
  /** Similarities of its rows. */
  values: readonly number[];
}

const HEIGHT = 170;
const BINS = 40;

/**
 * How many rows of each group have which similarity, as shares of the group, so that a small one is seen beside a large
 * one. `range` is that of all charts that are to be compared.
 */
export function histogram(
  title: string,
  groups: readonly Group[],
  range: readonly [number, number],
  highest: number,
  threshold: number | null,
): Html {
  const bottom = HEIGHT - MARGIN.bottom;
  const x = linearScale([], PLOT.left, PLOT.right, { low: range[0], high: range[1], ticks: 6 });
  const y = linearScale([0, highest], bottom, PLOT.top + 8, { low: 0, ticks: 2 });
  const shapes = groups.map(({ className, name, values }) => {
    const shares = binShares(values, range);
    const width = (PLOT.right - PLOT.left) / BINS;
    const path = shares.map(
      (share, i) => `L${place(PLOT.left + i * width)} ${place(y.at(share))}H${place(PLOT.left + (i + 1) * width)}`,
    );
    return html`<path class="area ${className}" d="M${PLOT.left} ${place(y.at(0))}${path.join('')}V${place(y.at(0))}Z"><title>${name}: ${integer(values.length)} rows</title></path>`;
  });
  const line =
    threshold === null || threshold < range[0] || threshold > range[1]
      ? []
      : [
          html`<line class="threshold" x1="${place(x.at(threshold))}" x2="${place(x.at(threshold))}" y1="${PLOT.top}" y2="${bottom}"/>
<text class="note" x="${place(x.at(threshold) + (x.at(threshold) > WIDTH * 0.7 ? -5 : 5))}" y="${PLOT.top + 8}" text-anchor="${x.at(threshold) > WIDTH * 0.7 ? 'end' : 'start'}">best threshold ${tick(Number(threshold.toFixed(3)))}</text>`,
        ];
  const description = `${title}: ${groups.map(({ name, values }) => `${name}, ${integer(values.length)} rows, mean similarity ${mean(values)}`).join('; ')}`;
  return html`<h4>${title}</h4>${chart({ description, x, y, xLabel: 'similarity', height: HEIGHT }, [...shapes, ...line])}`;
}

/** Of the same groups before and after, to one scale. */
export function histograms(
  groups: readonly [Group[], Group[]],
  titles: readonly [string, string],
  thresholds: readonly [number | null, number | null],
): [Html, Html] {
  let [least, most] = [0, 1];
  for (const { values } of groups.flat())
    for (const value of values) [least, most] = [Math.min(least, value), Math.max(most, value)];
  const range = [Math.floor(10 * least) / 10, Math.ceil(10 * most - 1e-6) / 10] as const;
  const highest = Math.max(...groups.flat().flatMap(({ values }) => binShares(values, range)));
  const drawn = (i: 0 | 1): Html => histogram(titles[i], groups[i], range, highest, thresholds[i]);
  return [drawn(0), drawn(1)];
}

/** Share of the values in each bin. */
function binShares(values: readonly number[], [low, high]: readonly [number, number]): number[] {
  const counts = new Array<number>(BINS).fill(0);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * BINS);
    ++counts[Math.max(0, Math.min(BINS - 1, bin))]!;
  }
  return counts.map((count) => count / Math.max(1, values.length));
}

export function histogramLegend(groups: readonly Group[]): Html {
  return legend(
    groups.map(({ className, name, values }) => [className, `${name} (${integer(values.length)})`] as const),
  );
}

function mean(values: readonly number[]): string {
  return values.length === 0 ? '–' : (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3);
}
