// Time and memory of one text by its length, drawn as SVG from what long_texts.cjs prints; both axes are logarithms.
//   node test/bench/long_texts.cjs fp32 | node test/bench/long_texts_figure.mjs "title" > figure.svg
import { text as readAll } from 'node:stream/consumers';
import { curve, drawing, key, line, text } from './svg.mjs';

const [PANEL, GAP, LEFT, RIGHT, TOP, HEIGHT, BOTTOM] = [330, 60, 60, 20, 60, 400, 90];
const COLOURS = { 'modernbert-base': '#1b6ca8', 'two layers, window': '#2e8b57', 'two layers, whole': '#c0532b' };
const PANELS = [
  { title: 'Seconds', embedding: 'embedding', training: 'trainingStep' },
  { title: 'Memory above the model, MB', embedding: 'embeddingMegabytes', training: 'trainingMegabytes' },
];

/** Powers of ten around the values. */
function decades(values) {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(Math.log10);
  const first = Math.floor(least);
  return Array.from({ length: Math.ceil(most) - first + 1 }, (_, i) => first + i);
}

function panel(rows, { title, embedding, training }, left) {
  const lengths = [...new Set(rows.map(({ length }) => length))].sort((a, b) => a - b);
  const tens = decades(rows.flatMap((row) => [row[embedding], row[training]]).filter((value) => value > 0));
  const [right, bottom] = [left + PANEL, HEIGHT - BOTTOM];
  const x = (length) => left + (PANEL * Math.log2(length / lengths[0])) / Math.log2(lengths.at(-1) / lengths[0]);
  const y = (value) => bottom - ((bottom - TOP) * (Math.log10(value) - tens[0])) / (tens.at(-1) - tens[0]);
  const parts = [text([left, TOP - 14], title)];
  for (const ten of tens) {
    parts.push(
      line([left, y(10 ** ten)], [right, y(10 ** ten)], 'stroke="#ddd"'),
      text([left - 8, y(10 ** ten) + 4], String(10 ** ten), 'text-anchor="end"'),
    );
  }
  for (const length of lengths) parts.push(text([x(length), bottom + 18], String(length), 'text-anchor="middle"'));
  for (const [name, colour] of Object.entries(COLOURS)) {
    const own = rows.filter((row) => row.name === name).sort((a, b) => a.length - b.length);
    for (const [of, dash] of [
      [training, ''],
      [embedding, '6 4'],
    ]) {
      const seen = own.filter((row) => row[of] > 0);
      parts.push(
        curve(
          seen.map((row) => [x(row.length), y(row[of])]),
          colour,
          dash,
        ),
      );
    }
  }
  return parts;
}

const lines = (await readAll(process.stdin)).split('\n').filter((one) => one.startsWith('{'));
const rows = lines.map((one) => JSON.parse(one));
const width = LEFT + 2 * PANEL + GAP + RIGHT;
const keys = Object.entries(COLOURS).map(([name, colour], i) => key([LEFT + 190 * i, HEIGHT - 36], name, colour));
process.stdout.write(
  drawing(width, HEIGHT, [
    text([LEFT, 22], process.argv[2] ?? 'One text by its tokens', 'font-weight="bold"'),
    ...PANELS.flatMap((one, i) => panel(rows, one, LEFT + i * (PANEL + GAP))),
    ...keys,
    key([LEFT, HEIGHT - 14], 'a training step of a pair', '#1f2328'),
    key([LEFT + 190, HEIGHT - 14], 'embedding a text', '#1f2328', '6 4'),
  ]),
);
