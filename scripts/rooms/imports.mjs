import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** Which file uses which, by their paths from `folder`; a file that is not there is left out. */

/** TypeScript's imports, those of types among them. */
export function libImports(folder) {
  const known = new Set(filesOf(folder, /\.ts$/));
  return edgesOf(folder, known, /(?:\bfrom|\bimport|\brequire\()\s*\(?\s*'(\.[^']*)'/g, (from, name) => {
    const path = posix.join(posix.dirname(from), name);
    return [`${path}.ts`, `${path}/index.ts`];
  });
}

/** C++'s includes, which name a file from the engine's root, or beside the one that includes it. */
export function engineIncludes(folder) {
  const known = new Set(filesOf(folder, /\.(?:cpp|h)$/));
  return edgesOf(folder, known, /^\s*#\s*include\s*"([^"]+)"/gm, (from, name) => [
    posix.join(posix.dirname(from), name),
    name,
  ]);
}

/** Names of the headers in angle brackets that files of a folder include: [file, header]. */
export function systemHeaders(folder) {
  return filesOf(folder, /\.(?:cpp|h)$/).flatMap((file) =>
    [...readFileSync(join(folder, file), 'utf8').matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm)].map((match) => [
      file,
      match[1],
    ]),
  );
}

function filesOf(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => pattern.test(file))
    .sort();
}

function edgesOf(folder, known, pattern, candidates) {
  const edges = [];
  for (const from of known) {
    const named = [...readFileSync(join(folder, from), 'utf8').matchAll(pattern)].map((match) => match[1]);
    const found = named.map((name) => candidates(from, name).find((path) => known.has(path)));
    for (const to of new Set(found)) if (to !== undefined && to !== from) edges.push({ from, to });
  }
  return edges;
}

/** The room of a file: its first folder, or the file's own name where it stands in none. */
export function roomOf(file) {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.\w+$/, '');
}

/** The same between rooms, each once, with how many files' imports it stands for. */
export function roomImports(edges) {
  const counts = new Map();
  for (const { from, to } of edges) {
    const key = `${roomOf(from)} ${roomOf(to)}`;
    if (roomOf(from) !== roomOf(to)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => {
    const [from, to] = key.split(' ');
    return { from, to, count };
  });
}

/** Circles: the sets of nodes each of which reaches every other (Tarjan). */
export function circles(edges) {
  const next = new Map();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const index = new Map();
  const low = new Map();
  const stack = [];
  const found = [];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const other of next.get(node) ?? []) {
      if (!index.has(other)) visit(other);
      if (stack.includes(other)) low.set(node, Math.min(low.get(node), low.get(other)));
    }
    if (low.get(node) !== index.get(node)) return;
    const circle = stack.splice(stack.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of next.keys()) if (!index.has(node)) visit(node);
  return found;
}

/** Imports from a room that stands higher in `order`. */
export function upward(edges, order) {
  const floor = (file) => order.indexOf(roomOf(file));
  return edges.filter(({ from, to }) => floor(to) > floor(from));
}

/** Rooms that have no place in `order`. */
export function strangers(edges, order) {
  return [...new Set(edges.flatMap(({ from, to }) => [roomOf(from), roomOf(to)]))].filter(
    (room) => !order.includes(room),
  );
}
