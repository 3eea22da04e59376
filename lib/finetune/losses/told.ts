import type { NativeLoss } from '../../engine/addon';
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

/** What people read of a loss, as `toldLoss` has it. */
export function lossWords({ name, ...options }: NativeLoss): string {
  if (name === 'several')
    return Object.entries(options.sets as Record<string, NativeLoss>)
      .map(([set, loss]) => `${lossWords(loss)} (${set})`)
      .join('; ');
  if (name === 'own') return `a loss of one's own, ${options.own as string}`;
  const of = (part: unknown): string => lossWords(part as NativeLoss);
  if (name === 'matryoshka')
    return `${of(options.loss)}, of vectors cut to ${(options.matryoshka_dims as readonly number[]).join(', ')} numbers`;
  if (name === 'adaptive-layer') return `${of(options.loss)}, of hidden layers too`;
  if (name === 'sum') return (options.losses as readonly unknown[]).map(of).join(' + ');
  return losses[name as SimpleLossName].words;
}
