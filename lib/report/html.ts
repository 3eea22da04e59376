/** Text that is HTML already. Only `html` makes it: a plain string is always escaped. */
export class Html {
  constructor(readonly text: string) {}
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/**
 * As text between tags or in a quoted attribute. Characters that HTML forbids or that turn the direction of what follows
 * are shown by their code.
 */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character]!).replaceAll(unshown, code);
}

/** Controls, marks of direction, halves of surrogate pairs that stand alone, what is no character. */
const unshown =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are meant
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]/gu;

function code(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

type Content = string | number | Html | readonly Html[] | null | undefined;

/** HTML with values in it: strings and numbers are escaped, `Html` stands as it is, null and undefined are nothing. */
export function html(texts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(String.raw({ raw: texts }, ...values.map(render)));
}

function render(value: Content): string {
  if (value === null || value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return (value as readonly Html[]).map(({ text }) => text).join('');
  return escaped(String(value));
}

/** JSON inside a script element that is never run: nothing in it can end the element. */
export function embeddedJson(id: string, value: unknown): Html {
  const json = JSON.stringify(value)
    .replaceAll(/[<>&\u2028\u2029]/g, code)
    .replaceAll(unshown, code);
  return new Html(`<script type="application/json" id="${escaped(id)}">${json}</script>`);
}
