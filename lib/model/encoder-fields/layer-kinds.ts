import type { Fields } from '../../system/json';

/** Whether each layer sees a window of the text: as "layer_types" says, else as `slides` does. */
export function layerKinds(fields: Fields, layers: number, slides: (layer: number) => boolean): boolean[] {
  if (!fields.has('layer_types')) return Array.from({ length: layers }, (_, i) => slides(i));
  const kinds = fields.object['layer_types'];
  if (!Array.isArray(kinds) || kinds.length !== layers) {
    throw fields.fail('layer_types', `a list of ${layers}, one for each layer`, kinds);
  }
  return kinds.map((kind: unknown) => {
    if (kind === 'full_attention') return false;
    if (kind === 'sliding_attention') return true;
    throw fields.fail('layer_types', '"full_attention" or "sliding_attention" for each layer', kind);
  });
}
