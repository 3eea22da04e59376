// What a terminal shows: text with the control sequences that vectune's bars use, on a screen of so many columns.

/** Lines of a program's output as they stand at its end; each is a list of runs { text, bold, dim, colour }. */
export function screenOf(output, columns) {
  const lines = [];
  let style = {};
  let [row, column] = [0, 0];
  const cells = (at) => {
    while (lines.length <= at) lines.push([]);
    return lines[at];
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is read
  for (const [token] of output.matchAll(/\u001b\[[0-9;?]*[A-Za-z]|\u001b[()][A-Z0-9]|[\s\S]/gu)) {
    if (token === '\n') row += 1;
    else if (token === '\r') column = 0;
    else if (token.length > 1 && token.startsWith('\u001b')) {
      const count = Number(/\d+/.exec(token)?.[0] ?? 1);
      const kind = token.at(-1);
      if (kind === 'm') style = styled(style, token);
      else if (kind === 'A') row = Math.max(0, row - count);
      else if (kind === 'B') row += count;
      else if (kind === 'C') column += count;
      else if (kind === 'D') column = Math.max(0, column - count);
      else if (kind === 'G') column = count - 1;
      else if (kind === 'K') cells(row).splice(/\[[12]K/.test(token) ? 0 : column);
      else if (kind === 'J') lines.splice(row + 1, lines.length, ...(cells(row).splice(column), []));
    } else if (token >= ' ') {
      if (column >= columns) [row, column] = [row + 1, 0];
      const line = cells(row);
      while (line.length < column) line.push({ text: ' ' });
      line[column++] = { text: token, ...style };
    }
  }
  return lines.map(runsOf);
}

function styled(style, token) {
  let next = style;
  for (const code of (token.slice(2, -1) || '0').split(';').map(Number)) {
    if (code === 0) next = {};
    else if (code === 1) next = { ...next, bold: true };
    else if (code === 2) next = { ...next, dim: true };
    else if (code === 22) next = { ...next, bold: false, dim: false };
    else if (code === 39) next = { ...next, colour: undefined };
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) next = { ...next, colour: code % 10 };
  }
  return next;
}

function runsOf(line) {
  const runs = [];
  for (const { text, ...style } of line) {
    const last = runs.at(-1);
    if (last !== undefined && JSON.stringify(last.style) === JSON.stringify(style)) last.text += text;
    else runs.push({ text, style });
  }
  return runs;
}

const SIZE = 14;
const STEP = 19;
const WIDTH = 8.43; // of a character of a monospaced font, in these units
const PAD = 16;
const COLOURS = ['#484f58', '#ff7b72', '#7ee787', '#e3b341', '#79c0ff', '#d2a8ff', '#56d4dd', '#e6edf3'];

/** A drawing of a terminal with these lines. */
export function terminalSvg(lines, columns, title) {
  const [width, height] = [Math.ceil(columns * WIDTH) + 2 * PAD, lines.length * STEP + 2 * PAD + 24];
  const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const run = ({ text, style: { bold, dim, colour } }) => {
    const fill = colour === undefined ? '' : ` fill="${COLOURS[colour]}"`;
    return `<tspan${bold ? ' font-weight="bold"' : ''}${dim ? ' opacity=".6"' : ''}${fill}>${escaped(text)}</tspan>`;
  };
  const rows = lines.map((runs, i) => {
    const cells = runs.reduce((sum, { text }) => sum + [...text].length, 0);
    if (cells === 0) return '';
    const place = `x="${PAD}" y="${PAD + 24 + STEP * i + SIZE}" textLength="${(cells * WIDTH).toFixed(1)}"`;
    return `<text ${place} xml:space="preserve">${runs.map(run).join('')}</text>`;
  });
  const dots = ['#ff5f56', '#ffbd2e', '#27c93f'].map(
    (fill, i) => `<circle cx="${PAD + 5 + 18 * i}" cy="18" r="5.5" fill="${fill}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" rx="8" fill="#0d1117"/>`,
    dots.join(''),
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${SIZE}" fill="#e6edf3">`,
    ...rows.filter((text) => text !== ''),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}
