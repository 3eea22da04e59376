import type { Work } from '../work';

type Numbers = ArrayLike<number>;

/** Elements that are sorted or merged between two pauses. */
const AT_ONCE = 1 << 13;

/** Positions of `values` from the lowest value to the highest; equal values keep their order. A merge sort in pieces. */
export function* ascending(values: Numbers): Work<Uint32Array> {
  const n = values.length;
  let order = new Uint32Array(n);
  for (let i = 0; i < n; ++i) order[i] = i;
  for (let start = 0; start < n; start += AT_ONCE) {
    order.subarray(start, start + AT_ONCE).sort((a, b) => values[a]! - values[b]! || a - b);
    yield;
  }
  let merged = new Uint32Array(n > AT_ONCE ? n : 0);
  for (let width = AT_ONCE; width < n; width *= 2) {
    for (let start = 0; start < n; start += 2 * width) {
      const middle = Math.min(start + width, n);
      const end = Math.min(start + 2 * width, n);
      let left = start;
      let right = middle;
      for (let to = start; to < end; ++to) {
        const takesLeft = left < middle && (right === end || values[order[left]!]! <= values[order[right]!]!);
        merged[to] = takesLeft ? order[left++]! : order[right++]!;
        if (to % AT_ONCE === 0) yield;
      }
    }
    [order, merged] = [merged, order];
  }
  return order;
}

/** Where each run of equal values ends in `order`, which has them side by side. */
export function* tieEnds(values: Numbers, order: Uint32Array): Work<Uint32Array> {
  const ends = new Uint32Array(order.length);
  let count = 0;
  for (let i = 0; i < order.length; ++i) {
    if (i + 1 === order.length || values[order[i + 1]!] !== values[order[i]!]) ends[count++] = i + 1;
    if (i % AT_ONCE === 0) yield;
  }
  return ends.subarray(0, count);
}
