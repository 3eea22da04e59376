// The share of the bound by the length of texts, drawn as SVG from the figures of the group `lengths`.
import { curve, drawing, key, line, text } from './svg.mjs';

const WIDTH = 640;
const HEIGHT = 400;
const LEFT = 60;
const RIGHT = 150;
const TOP = 40;
const BOTTOM = 50;
const LINES = [
  { precision: 'fp32', kind: 'training', colour: '#1b6ca8', dash: '' },
  { precision: 'fp32', kind: 'embedding', colour: '#1b6ca8', dash: '6 4' },
  { precision: 'bf16', kind: 'training', colour: '#c0532b', dash: '' },
  { precision: 'bf16', kind: 'embedding', colour: '#c0532b', dash: '6 4' },
];

/** `figures`: { tokens, precision, training, embedding }, shares from 0 to 1. `title` says on what machine. */
export function lengthsFigure(figures, title, goal = 0.65) {
  const lengths = [...new Set(figures.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const x = (tokens) =>
    LEFT + ((WIDTH - LEFT - RIGHT) * Math.log2(tokens / lengths[0])) / Math.log2(lengths.at(-1) / lengths[0]);
  const y = (share) => HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share;
  const parts = [text([LEFT, 22], title, 'font-weight="bold"')];
  for (let percent = 0; percent <= 100; percent += 20) {
    parts.push(
      line([LEFT, y(percent / 100)], [WIDTH - RIGHT, y(percent / 100)], 'stroke="#ddd"'),
      text([LEFT - 8, y(percent / 100) + 4], `${percent} %`, 'text-anchor="end"'),
    );
  }
  for (const tokens of lengths) parts.push(text([x(tokens), HEIGHT - BOTTOM + 18], tokens, 'text-anchor="middle"'));
  parts.push(
    text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10], 'tokens in each text', 'text-anchor="middle"'),
    line([LEFT, y(goal)], [WIDTH - RIGHT, y(goal)], 'stroke="#888" stroke-dasharray="2 3"'),
    text([WIDTH - RIGHT + 8, y(goal) + 4], `goal ${Math.round(100 * goal)} %`, 'fill="#888"'),
  );
  LINES.forEach(({ precision, kind, colour, dash }, i) => {
    const points = lengths
      .map((tokens) => figures.find((f) => f.tokens === tokens && f.precision === precision))
      .filter(Boolean)
      .map((f) => [x(f.tokens), y(f[kind])]);
    const legend = HEIGHT - BOTTOM - 20 * (LINES.length - i);
    parts.push(curve(points, colour, dash), key([WIDTH - RIGHT + 8, legend], `${kind}, ${precision}`, colour, dash));
  });
  return drawing(WIDTH, HEIGHT, parts);
}
