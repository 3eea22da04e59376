/** A measure: four decimals, of large numbers less. */
export function measure(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return plainMinus(Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(4));
}

export function signed(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return value < 0 ? measure(value) : `+${measure(value)}`;
}

export function integer(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** As a label of an axis: short, and exact for round numbers. */
export function tick(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return plainMinus(value.toExponential().replace('e+', 'e'));
  return plainMinus(Number(value.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 6 }));
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${seconds < 10 ? seconds.toFixed(1) : whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** U+2212, which is as wide as a plus. */
function plainMinus(text: string): string {
  return text.replace('-', '−');
}
