import type { Gain } from '../finetune/gain';
import { verdictWords } from '../finetune/gain-words';
import { listedMeasures } from '../finetune/listed-measures';
import type { ValidationMetrics } from '../finetune/metrics';
import { measureWords } from '../report/names';
import { fixed, signed } from './numbers';

/** As the table has them. */
const labels: Record<string, string> = { loss: 'loss (lower is better)', mcc: 'MCC at best F1' };

/** What is known of chance: of the measure that was gone by, and of that of each of several sets. */
export interface Judged {
  gain: Gain | null;
  sets?: Readonly<Record<string, { gain: Gain | null }>> | null;
}

/**
 * What was measured before and after, a line each, with the difference; of the measure that was gone by also whether that is
 * more than chance makes. Measures that the data does not have are left out.
 */
export function comparison(
  title: string,
  before: ValidationMetrics,
  after: ValidationMetrics,
  { gain, sets }: Judged = { gain: null },
): string {
  const lines = [`${title.padEnd(30)}${'before'.padStart(9)}${'after'.padStart(9)}${'change'.padStart(9)}`];
  for (const [name, of] of listedMeasures) {
    const from = of(before) ?? null;
    const to = of(after) ?? null;
    if (from === null && to === null) continue;
    const label = labels[name] ?? measureWords(name);
    const told = gain?.measure === name ? verdictWords(gain) : '';
    lines.push(`${label.padEnd(30)}${number(from)}${number(to)}${change(from, to).padStart(9)}  ${told}`.trimEnd());
  }
  for (const [name, own] of Object.entries(before.sets ?? {}))
    lines.push('', comparison(name, own, after.sets?.[name] ?? own, { gain: sets?.[name]?.gain ?? null }));
  return lines.join('\n');
}

/** Of what is printed: a difference in a digit that nobody sees is none. */
function change(before: number | null, after: number | null): string {
  return before === null || after === null ? '' : signed(Number(fixed(after)) - Number(fixed(before)));
}

function number(value: number | null): string {
  return fixed(value).padStart(9);
}

/** From which similarity on two texts count as the same, of labelled pairs; '' of others. */
export function thresholds({ f1, accuracy }: ValidationMetrics): string {
  const lines = [
    ['F1', f1],
    ['accuracy', accuracy],
  ] as const;
  return lines
    .flatMap(([name, found]) =>
      found === null ? [] : [`two texts count as the same from ${fixed(found.threshold)} on: best ${name}\n`],
    )
    .join('');
}
