import { html, type Html } from '../html';
import { tick } from '../numbers';
import type { Scale } from './scale';

/** Size of a chart in its own units; a page scales it. Two stand beside each other on a wide page, one on a narrow one. */
export const WIDTH = 460;
export const HEIGHT = 250;
/** Room for the labels of the axes. */
export const MARGIN = { top: 14, right: 16, bottom: 40, left: 64 };
export const PLOT = {
  left: MARGIN.left,
  right: WIDTH - MARGIN.right,
  top: MARGIN.top,
  bottom: HEIGHT - MARGIN.bottom,
};

/** A number of a path: enough digits for any screen. */
export function place(value: number): string {
  return Number(value.toFixed(2)).toString();
}

export interface Frame {
  /** What the chart shows, for who does not see it. */
  description: string;
  x: Scale;
  y: Scale;
  xLabel: string;
  /** Names of the x axis's ticks where they are not numbers. */
  height?: number;
}

/** A chart: grid, axes with their labels, and what is drawn in it. */
export function chart({ description, x, y, xLabel, height = HEIGHT }: Frame, content: readonly Html[]): Html {
  const bottom = height - MARGIN.bottom;
  const rows = y.ticks.map(
    (
      value,
    ) => html`<line class="grid" x1="${PLOT.left}" x2="${PLOT.right}" y1="${place(y.at(value))}" y2="${place(y.at(value))}"/>
<text class="tick" x="${PLOT.left - 8}" y="${place(y.at(value) + 4)}" text-anchor="end">${tick(value)}</text>`,
  );
  const columns = x.ticks.map(
    (
      value,
    ) => html`<line class="mark" x1="${place(x.at(value))}" x2="${place(x.at(value))}" y1="${bottom}" y2="${bottom + 4}"/>
<text class="tick" x="${place(x.at(value))}" y="${bottom + 17}" text-anchor="middle">${tick(value)}</text>`,
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${description}">
${rows}
<line class="axis" x1="${PLOT.left}" x2="${PLOT.right}" y1="${bottom}" y2="${bottom}"/>
${columns}
<text class="label" x="${(PLOT.left + PLOT.right) / 2}" y="${height - 5}" text-anchor="middle">${xLabel}</text>
${content}
</svg>`;
}

/** A line through points; what is not finite breaks it. */
export function linePath(points: readonly (readonly [number, number])[]): string {
  let open = false;
  return points
    .map(([x, y]) => {
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        open = false;
        return '';
      }
      const command = open ? 'L' : 'M';
      open = true;
      return `${command}${place(x)} ${place(y)}`;
    })
    .join('');
}

/** Names of lines with their colours, above a chart. */
export function legend(entries: readonly (readonly [className: string, name: string])[]): Html {
  return html`<p class="legend">${entries.map(([className, name]) => html`<span class="key ${className}">${name}</span>`)}</p>`;
}
