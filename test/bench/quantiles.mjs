/** Median and 95th percentile of times in milliseconds, the first tenth (warming up) left out. */
export function quantiles(times) {
  const rest = times.slice(Math.floor(times.length / 10)).sort((a, b) => a - b);
  return { medianMs: rest[rest.length >> 1], p95Ms: rest[Math.floor(0.95 * rest.length)] };
}
