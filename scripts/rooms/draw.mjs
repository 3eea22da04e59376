import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { engineIncludes, libImports, roomImports } from './imports.mjs';
import { ENGINE_ROOMS, LIB_ROOMS } from './rooms.mjs';

/** What `npm run rooms -- --write` writes from the code: path → content. */
export function drawn(root) {
  const files = new Map();
  for (const { part, rooms, edges } of parts(root)) {
    const floorOf = (name) => rooms.findIndex(([room]) => room === name);
    // Another way is none: the test refuses it.
    const arrows = roomImports(edges).filter(({ from, to }) => floorOf(to) < floorOf(from));
    files.set(`docs/rooms-${part.replace('/', '-')}.svg`, drawing(part, rooms, arrows));
    rooms.forEach(([name, holds], floor) => {
      if (!existsSync(join(root, part, name))) return; // a file
      const below = rooms.slice(0, floor).map(([room]) => room);
      const above = arrows.filter(({ to }) => to === name).map(({ from }) => from);
      const lines = [
        '<!-- Written by `npm run rooms -- --write` from scripts/rooms/rooms.mjs and the code. -->',
        `# ${part}/${name}`,
        '',
        `${holds[0].toUpperCase()}${holds.slice(1)}.`,
        '',
        `May import from ${list(below, 'no other room')}. Used by ${list(inOrder(above, rooms), 'no other room')}.`,
        '',
      ];
      files.set(`${part}/${name}/README.md`, lines.join('\n'));
    });
  }
  return files;
}

function parts(root) {
  return [
    { part: 'lib', rooms: LIB_ROOMS, edges: libImports(join(root, 'lib')) },
    { part: 'native/engine', rooms: ENGINE_ROOMS, edges: engineIncludes(join(root, 'native', 'engine')) },
  ];
}

const list = (names, none) => (names.length === 0 ? none : names.map((name) => `\`${name}\``).join(', '));
const inOrder = (names, rooms) => rooms.map(([name]) => name).filter((name) => names.includes(name));

const [BOX, ROW, GAP, PAD] = [46, 96, 26, 24];
const boxWidth = (name) => Math.max(96, name.length * 8 + 28);

/**
 * The rooms, each above those that it imports from. An arrow is left out where a way over other arrows leads there too,
 * so that what is drawn is the order and not every import.
 */
function drawing(part, rooms, arrows) {
  const names = rooms
    .map(([name]) => name)
    .filter((name) => arrows.some(({ from, to }) => from === name || to === name));
  const below = new Map(names.map((name) => [name, arrows.filter(({ from }) => from === name).map(({ to }) => to)]));
  const floor = new Map();
  for (const name of names) floor.set(name, Math.max(-1, ...below.get(name).map((to) => floor.get(to) ?? -1)) + 1);
  const reaches = (from, to) => below.get(from).some((next) => next === to || reaches(next, to));
  const kept = arrows.filter(
    ({ from, to }) =>
      !below.get(from).some((next) => next !== to && (floor.get(next) ?? 0) > floor.get(to) && reaches(next, to)),
  );
  const floors = Array.from({ length: Math.max(...floor.values()) + 1 }, (_, i) =>
    names.filter((name) => floor.get(name) === i),
  );
  const widthOf = (row) => row.reduce((sum, name) => sum + boxWidth(name) + GAP, -GAP);
  const width = Math.max(...floors.map(widthOf)) + 2 * PAD + 80;
  const height = (floors.length - 1) * ROW + BOX + 2 * PAD;
  const place = new Map();
  floors.forEach((row, i) => {
    // Beside what they stand on, from the left.
    const middle = (name) => {
      const on = below.get(name).flatMap((to) => (place.has(to) ? [place.get(to).x + place.get(to).width / 2] : []));
      return on.length === 0 ? 0 : on.reduce((a, b) => a + b, 0) / on.length;
    };
    let x = Math.round((width - widthOf(row)) / 2) + (i % 2 === 0 ? -30 : 30);
    for (const name of [...row].sort((a, b) => middle(a) - middle(b))) {
      place.set(name, { x, y: height - PAD - BOX - i * ROW, width: boxWidth(name) });
      x += boxWidth(name) + GAP;
    }
  });
  /** Places beside the boxes of a floor, through which an arrow may pass. */
  const gaps = floors.map((row) => {
    const boxes = row.map((name) => place.get(name)).sort((one, other) => one.x - other.x);
    const inner = boxes.slice(1).map(({ x }) => x - GAP / 2);
    return [boxes[0].x - GAP / 2, ...inner, boxes.at(-1).x + boxes.at(-1).width + GAP / 2];
  });
  const lines = kept.map(({ from, to }) => {
    const [a, b] = [place.get(from), place.get(to)];
    const points = [[a.x + a.width / 2, a.y + BOX]];
    const target = b.x + b.width / 2;
    for (let i = floor.get(from) - 1; i > floor.get(to); --i) {
      const distance = (x) => Math.abs(x - points.at(-1)[0]) + Math.abs(x - target);
      const x = [...gaps[i]].sort((one, other) => distance(one) - distance(other))[0];
      const top = height - PAD - BOX - i * ROW;
      points.push([x, top], [x, top + BOX]);
    }
    points.push([target, b.y - 7]);
    const path = points.slice(1).map(([x, y], i) => {
      const [x0, y0] = points[i];
      const bend = (y - y0) / 2;
      return x === x0 ? `L${x} ${y}` : `C${x0} ${y0 + bend} ${x} ${y - bend} ${x} ${y}`;
    });
    return `<path d="M${points[0].join(' ')} ${path.join(' ')}" marker-end="url(#tip)"/>`;
  });
  const boxes = names.map((name) => {
    const { x, y, width: w } = place.get(name);
    return (
      `<rect x="${x}" y="${y}" width="${w}" height="${BOX}" rx="6"/>` +
      `<text x="${x + w / 2}" y="${y + BOX / 2 + 5}">${name}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${Math.ceil(width)} ${height}" width="${Math.ceil(width)}" height="${height}" role="img">`,
    `<title>The rooms of ${part}, each above those that it imports from</title>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>',
    `<rect width="${Math.ceil(width)}" height="${height}" fill="#ffffff"/>`,
    '<g fill="none" stroke="#57606a" stroke-width="1.3">',
    ...lines,
    '</g>',
    '<g fill="#ddf4ff" stroke="#0969da">',
    ...boxes.map((box) => box.slice(0, box.indexOf('<text'))),
    '</g>',
    `<g fill="#1f2328" font-family="system-ui, sans-serif" font-size="14" text-anchor="middle">`,
    ...boxes.map((box) => box.slice(box.indexOf('<text'))),
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}
