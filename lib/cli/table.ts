import { listedMeasures } from '../finetune/listed-measures';
import type { ValidationMetrics } from '../finetune/metrics';
import { lowerIsBetter, measureWords } from '../report/names';
import { fixed } from './numbers';

/** As the table has them. */
const labels: Record<string, string> = { loss: 'loss (lower is better)', mcc: 'MCC at best F1' };

/** What was measured before and after, a line each; measures that the data does not have are left out. */
export function comparison(title: string, before: ValidationMetrics, after: ValidationMetrics): string {
  const lines = [`${title.padEnd(30)}${'before'.padStart(9)}${'after'.padStart(9)}`];
  for (const [name, of] of listedMeasures) {
    const from = of(before) ?? null;
    const to = of(after) ?? null;
    if (from === null && to === null) continue;
    const label = labels[name] ?? measureWords(name);
    lines.push(`${label.padEnd(30)}${number(from)}${number(to)}  ${verdict(from, to, lowerIsBetter(name))}`.trimEnd());
  }
  for (const [name, own] of Object.entries(before.sets ?? {}))
    lines.push('', comparison(name, own, after.sets?.[name] ?? own));
  return lines.join('\n');
}

/** Judged by what is printed: a difference in a digit that nobody sees is none. */
function verdict(before: number | null, after: number | null, lower: boolean): string {
  if (before === null || after === null) return '';
  if (number(before) === number(after)) return 'the same';
  return after < before === lower ? 'better' : 'WORSE';
}

function number(value: number | null): string {
  return fixed(value).padStart(9);
}
