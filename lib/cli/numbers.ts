export function integer(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** Four decimals; `-` where there is none. */
export function fixed(value: number | null): string {
  return value === null ? '-' : value.toFixed(4);
}

/** A difference. */
export function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${fixed(Math.abs(value))}`;
}

/** Minutes and seconds, with hours where there are any; `-` for what is not known. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '-';
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
