// The share of the bound by the length of texts, drawn as SVG from the figures of the group `lengths`.
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
  const text = (at, content, rest = '') =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${rest}>${content}</text>`;
  const line = (from, to, rest) =>
    `<line x1="${from[0].toFixed(1)}" y1="${from[1].toFixed(1)}" x2="${to[0].toFixed(1)}" y2="${to[1].toFixed(1)}" ${rest}/>`;
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
    parts.push(
      `<polyline fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}" points="${points.map((p) => p.map((v) => v.toFixed(1)).join(',')).join(' ')}"/>`,
    );
    for (const [cx, cy] of points)
      parts.push(`<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="3" fill="${colour}"/>`);
    const legend = HEIGHT - BOTTOM - 20 * (LINES.length - i);
    parts.push(
      line(
        [WIDTH - RIGHT + 8, legend],
        [WIDTH - RIGHT + 36, legend],
        `stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"`,
      ),
      text([WIDTH - RIGHT + 42, legend + 4], `${kind}, ${precision}`),
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${parts.join('\n')}</svg>\n`
  );
}
