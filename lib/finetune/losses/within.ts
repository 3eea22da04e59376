import type { NativeLoss } from '../../engine/training';

/** The losses that a loss is around or made of, as the engine and events have them; none of one formula alone. */
export function within({ loss, losses }: NativeLoss): NativeLoss[] {
  return [loss, losses].flat().filter((one): one is NativeLoss => typeof one === 'object' && one !== null);
}
