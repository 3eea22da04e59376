// Parts of a drawing: points are [x, y] in pixels, `rest` is further attributes.
const at = (value) => value.toFixed(1);

export const text = ([x, y], content, rest = '') => `<text x="${at(x)}" y="${at(y)}" ${rest}>${content}</text>`;

export const line = ([x1, y1], [x2, y2], rest) =>
  `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" ${rest}/>`;

/** Points joined in their order, each with a dot. */
export function curve(points, colour, dash = '') {
  const path = points.map((point) => point.map(at).join(',')).join(' ');
  const dots = points.map(([x, y]) => `<circle cx="${at(x)}" cy="${at(y)}" r="3" fill="${colour}"/>`);
  return `<polyline fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}" points="${path}"/>${dots.join('')}`;
}

/** What a curve is, where its name begins at a point. */
export function key([x, y], name, colour, dash = '') {
  return `${line([x, y], [x + 28, y], `stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"`)}${text([x + 34, y + 4], name)}`;
}

export function drawing(width, height, parts) {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>${parts.join('\n')}</svg>\n`
  );
}
