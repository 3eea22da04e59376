import type { NativeLoss } from '../../engine/training';
import { nameOf } from '../own-loss';
import type { ResolvedLoss } from './choice';
import { losses, type SimpleLossName } from './table';

/** What versions trained that had this loss alone, and did not write it into their checkpoints. */
export const firstLoss: NativeLoss = { name: 'cosine-mse' };

/** A loss as events, the report and checkpoints have it. */
export function toldLoss({ native, own }: ResolvedLoss): NativeLoss {
  if (own === undefined) return native;
  return { name: 'own', own: nameOf(own), ...(own.version !== undefined && { version: own.version }) };
}

/** The parts of a loss as `toldLoss` has it, which may come from a log of another version. */
const partsOf = (parts: unknown): readonly NativeLoss[] => (Array.isArray(parts) ? parts.filter(isLoss) : []);
const setsOf = (sets: unknown): (readonly [string, NativeLoss])[] =>
  Object.entries(sets ?? {}).flatMap(([set, loss]) => (isLoss(loss) ? [[set, loss] as const] : []));
const isLoss = (value: unknown): value is NativeLoss => typeof value === 'object' && value !== null && 'name' in value;

/** What people read of a loss, as `toldLoss` has it, with the options that it was given. */
export function lossWords({ name, ...options }: NativeLoss): string {
  const around = (more: string, { loss, ...own }: typeof options): string =>
    `${partsOf([loss]).map(lossWords).join('')}, ${more}${given(own)}`;
  switch (name) {
    case 'several':
      return setsOf(options['sets'])
        .map(([set, loss]) => `${set}: ${lossWords(loss)}`)
        .join('; ');
    case 'own':
      return `a loss of one's own, ${options['own'] as string}`;
    case 'matryoshka': {
      const { matryoshka_dims: dims, ...rest } = options;
      return around(`of vectors cut to ${String(dims).replaceAll(',', ', ')} numbers`, rest);
    }
    case 'adaptive-layer':
      return around('of hidden layers too', options);
    case 'sum':
      return partsOf(options['losses'])
        .map(({ weight, ...one }) => `${weight === 1 ? '' : `${String(weight)} × `}${lossWords(one as NativeLoss)}`)
        .join(' + ');
    default:
      return `${(losses[name as SimpleLossName] as { words: string } | undefined)?.words ?? name}${given(options)}`;
  }
}

/** The loss's name with the options that it was given, as `triplet (triplet_margin 1)`. */
export function lossName({ name, ...options }: NativeLoss): string {
  if (name === 'several')
    return setsOf(options['sets'])
      .map(([set, loss]) => `${lossName(loss)} for ${set}`)
      .join(', ');
  if (name === 'sum')
    return partsOf(options['losses'])
      .map(({ weight, ...one }) => `${weight === 1 ? '' : `${String(weight)} `}${lossName(one as NativeLoss)}`)
      .join(' + ');
  return `${name}${given(options)}`;
}

/** Options in brackets; none where there are none. */
function given(options: Record<string, unknown>): string {
  const told = Object.entries(options).map(([option, value]) => {
    if (isLoss(value)) return `${option} ${lossName(value)}`;
    if (Array.isArray(value)) return `${option} [${value.join(', ')}]`;
    return `${option} ${typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return told.length === 0 ? '' : ` (${told.join(', ')})`;
}
