import type { LayerAttention } from '../../engine/model-spec';
import { Fields, isObject, type JsonObject } from '../../system/json';
import { unlike } from './refusal';
import type { Shape } from './shape';

/** How positions turn a layer's heads. */
export type Rope = Pick<LayerAttention, 'ropeTheta' | 'ropeDivisor'>;

/** What turns all layers alike: transformers 5's field, else the former one. */
export function ropeParameters(fields: Fields): unknown {
  return fields.object['rope_parameters'] ?? fields.object['rope_scaling'];
}

/** What turns each kind of layers: transformers 5's field by the kind, 'full_attention' or 'sliding_attention'. */
export function ropesByKind(fields: Fields): JsonObject {
  const ropes = fields.has('rope_parameters') ? fields.object['rope_parameters'] : {};
  if (!isObject(ropes)) throw fields.fail('rope_parameters', 'an object', ropes);
  const kinds = ['full_attention', 'sliding_attention'];
  const other = Object.keys(ropes).find((name) => !kinds.includes(name));
  // Of one form for all layers transformers reads nothing, and goes by its defaults: hardly what is meant.
  if (other === undefined) return ropes;
  throw fields.fail('rope_parameters', `an object for each kind of layer (${kinds.join(', ')})`, ropes);
}

/** What transformers 5 writes as "rope_parameters". */
export function rope(fields: Fields, parameters: unknown, theta: number): Rope {
  if (parameters === undefined || parameters === null) return { ropeTheta: theta, ropeDivisor: 1 };
  if (!isObject(parameters)) throw fields.fail('rope_parameters', 'an object', parameters);
  const own = new Fields(parameters, `${fields.file}, "rope_parameters"`);
  const type = own.string(['rope_type', 'type'], 'default');
  if (type !== 'default' && type !== 'linear') {
    throw unlike(fields, `"rope_type" is "${type}"; vectune turns by "default" and "linear"`);
  }
  if (own.number('partial_rotary_factor', 0, 1, 1) !== 1) {
    throw unlike(fields, '"partial_rotary_factor" is not 1: vectune turns whole heads');
  }
  return {
    ropeTheta: own.number('rope_theta', 1, Infinity, theta),
    ropeDivisor: type === 'linear' ? own.number('factor', 1e-9, Infinity) : 1,
  };
}

/** "rope_parameters" of layers that are all turned alike. */
export function writtenRope(shape: Shape): JsonObject {
  const { ropeTheta, ropeDivisor } = shape.attention![0]!;
  return {
    rope_theta: ropeTheta,
    ...(ropeDivisor === 1 ? { rope_type: 'default' } : { rope_type: 'linear', factor: ropeDivisor }),
  };
}
