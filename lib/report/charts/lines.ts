import { html, type Html } from '../html';
import { measure } from '../numbers';
import { chart, legend, linePath, place, PLOT } from './frame';
import { linearScale } from './scale';

export interface Series {
  /** Class of the colour. */
  className: string;
  name: string;
  points: readonly (readonly [number, number])[];
  /** Drawn as a line, as dots joined by one, or as a faint line behind. */
  style: 'line' | 'dots' | 'faint';
}

export interface LineChart {
  description: string;
  xLabel: string;
  series: readonly Series[];
  /** A value with a name, drawn across: «untrained». */
  level?: { value: number; name: string } | undefined;
  /** A point that is told in words. */
  mark?: { x: number; y: number; name: string } | undefined;
  /** The y axis begins at 0. */
  fromZero?: boolean;
  /** Bounds of both axes where they are known. */
  x?: { low?: number; high?: number };
  y?: { low?: number; high?: number };
}

/** Lines over one axis. */
export function lineChart({ description, xLabel, series, level, mark, fromZero, ...bounds }: LineChart): Html {
  const points = series.flatMap((one) => one.points);
  const xs = points.map(([at]) => at);
  const ys = [...points.map(([, value]) => value), ...(level === undefined ? [] : [level.value])];
  const x = linearScale(xs, PLOT.left, PLOT.right, {
    ticks: 5,
    low: Math.min(0, ...xs),
    high: Math.max(...xs, 0),
    ...bounds.x,
  });
  const y = linearScale(ys, PLOT.bottom, PLOT.top, { ...(fromZero && { low: 0 }), ...bounds.y });
  const drawn = series.map(({ className, name, points: own, style }) => {
    const placed = own.map(([at, value]) => [x.at(at), y.at(value)] as const);
    const line = html`<path class="line ${className}${style === 'faint' ? ' faint' : ''}" d="${linePath(placed)}"/>`;
    if (style !== 'dots') return line;
    const dots = own.map(([at, value], i) => {
      if (!Number.isFinite(value)) return html``;
      const [cx, cy] = placed[i]!;
      return html`<circle class="dot ${className}" cx="${place(cx)}" cy="${place(cy)}" r="3.5"><title>${name}, ${xLabel} ${at}: ${measure(value)}</title></circle>`;
    });
    return html`${line}${dots}`;
  });
  const across =
    level === undefined
      ? []
      : [
          html`<line class="level" x1="${PLOT.left}" x2="${PLOT.right}" y1="${place(y.at(level.value))}" y2="${place(y.at(level.value))}"/>
<text class="note" x="${PLOT.right}" y="${place(y.at(level.value) - 5)}" text-anchor="end">${level.name}</text>`,
        ];
  const told = mark === undefined ? [] : [marked(x.at(mark.x), y.at(mark.y), mark.name)];
  const named = series.filter(({ name }) => name !== '').map(({ className, name }) => [className, name] as const);
  return html`${named.length > 1 ? legend(named) : null}${chart({ description, x, y, xLabel }, [...across, ...drawn, ...told])}`;
}

/** A ring around a point, with words on the side where there is room. */
function marked(x: number, y: number, name: string): Html {
  const right = x > (PLOT.left + PLOT.right) / 2;
  const below = y < PLOT.top + 26;
  return html`<circle class="ring" cx="${place(x)}" cy="${place(y)}" r="6.5"/>
<text class="note strong" x="${place(x + (right ? -11 : 11))}" y="${place(y + (below ? 20 : -10))}" text-anchor="${right ? 'end' : 'start'}">${name}</text>`;
}
