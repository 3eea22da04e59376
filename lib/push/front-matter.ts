/** A block of fields before a Markdown text, between two lines of `---`, as the hub reads it. */
const BLOCK = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/;

/** A field begins at the line's beginning, and goes on in those that do not. */
const BEGINNING = /^([A-Za-z_][\w-]*)\s*:/;

/** The text with these fields, each its lines, in place of those of the same names; others stay as they are. */
export function withFields(text: string, fields: ReadonlyMap<string, readonly string[]>): string {
  const block = BLOCK.exec(text);
  const kept: string[] = [];
  let dropped = false;
  for (const line of (block?.[1] ?? '').split(/\r?\n/)) {
    const name = BEGINNING.exec(line)?.[1];
    if (name !== undefined) dropped = fields.has(name);
    if (!dropped && line !== '') kept.push(line);
  }
  const lines = [...kept, ...[...fields.values()].flat()];
  return `---\n${lines.join('\n')}\n---\n${block === null ? text : text.slice(block[0].length)}`;
}
