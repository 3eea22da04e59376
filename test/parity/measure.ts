import type { Tensor } from './safetensors';

export function norm(x: Float32Array): number {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
}

function sameShape(a: Tensor, b: Tensor): void {
  if (JSON.stringify(a.shape) !== JSON.stringify(b.shape)) {
    throw new Error(`shapes differ: [${a.shape}] and [${b.shape}]`);
  }
}

/** ‖a − b‖; NaN anywhere gives NaN, which no tolerance accepts. */
export function distance(a: Tensor, b: Tensor): number {
  sameShape(a, b);
  return Math.sqrt(a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0));
}

export function largestDifference(a: Tensor, b: Tensor): number {
  sameShape(a, b);
  let largest = 0;
  for (let i = 0; i < a.data.length; ++i) {
    const difference = Math.abs(a.data[i]! - b.data[i]!);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** The tensors whose name begins with `prefix`, under the rest of the name. */
export function withPrefix(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  const found = [...tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

/**
 * Names of the gradients that are further off than 1e-4 of their own length and 1e-7 of that of all together: a bias whose
 * gradient is nearly zero has the rounding of the others.
 */
export function gradientsOff(found: ReadonlyMap<string, Tensor>, expected: ReadonlyMap<string, Tensor>): string[] {
  const all = Math.hypot(...[...expected.values()].map(({ data }) => norm(data)));
  return [...expected]
    .filter(([name, gradient]) => !(distance(found.get(name)!, gradient) <= 1e-4 * norm(gradient.data) + 1e-7 * all))
    .map(([name]) => name);
}
