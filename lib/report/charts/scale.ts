/** From values of the data to places in a chart. */
export interface Scale {
  low: number;
  high: number;
  ticks: readonly number[];
  at(value: number): number;
}

const steps = [1, 2, 2.5, 5, 10];

/**
 * A scale over the values with round ticks, some four of them. `bounds` are kept as they are where they are given; else
 * the scale goes to the next round number on both sides.
 */
export function linearScale(
  values: Iterable<number>,
  from: number,
  to: number,
  bounds: { low?: number; high?: number; ticks?: number } = {},
): Scale {
  let least = Infinity;
  let most = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (least > most) [least, most] = [0, 1];
  let low = bounds.low ?? least;
  let high = bounds.high ?? most;
  // What never varies gets room around it.
  if (!(high > low)) {
    const room = Math.abs(low) > 0 ? Math.abs(low) / 10 : 1;
    [low, high] = [low - (bounds.low === undefined ? room : 0), low + room];
  }
  const rough = (high - low) / (bounds.ticks ?? 4);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = steps.map((size) => size * power).find((size) => size >= rough * 0.999)!;
  if (bounds.low === undefined) low = Math.floor(low / step + 1e-9) * step;
  if (bounds.high === undefined) high = Math.ceil(high / step - 1e-9) * step;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i)
    ticks.push(Number((i * step).toPrecision(12)));
  return { low, high, ticks, at: (value) => from + ((value - low) / (high - low)) * (to - from) };
}
