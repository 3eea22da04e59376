import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';

/** The texts that `embed` was given, one or a list of them. */
export function textList(texts: unknown): readonly string[] {
  if (typeof texts === 'string') return [texts];
  if (!Array.isArray(texts)) {
    throw new InvalidArgumentError(
      'ERR_TEXT_TYPE',
      `embed takes a text or a list of texts, but was given ${show(texts)}.`,
    );
  }
  const list: unknown[] = [...texts]; // holes become undefined, which is refused
  return list.map((text, row) => {
    if (typeof text === 'string') return text;
    throw new InvalidArgumentError(
      'ERR_TEXT_TYPE',
      `A text must be a string (an empty one is fine), but texts[${row}] is ` + `${show(text)}.`,
      { row },
    );
  });
}
