import { widths, type TrainingData } from '../data/form';
import type { NativeLoss } from '../engine/training';
import { within } from './losses/within';

const projects = (loss: NativeLoss): boolean => loss['projection_dim'] !== undefined || within(loss).some(projects);

/**
 * The data, marked where a teacher's vectors are of another space than the model's: the loss projects onto them, or they
 * have neither its length nor that of one for each text. `width` is the model's.
 */
export function inTeachersSpace<Data extends TrainingData>(
  data: Data,
  loss: NativeLoss,
  width: number | undefined,
): Data {
  if (data.form !== 'vectors') return data;
  const texts = widths(data.rows).most;
  const other = width !== undefined && data.labelWidth !== width && data.labelWidth !== texts * width;
  return projects(loss) || other ? { ...data, otherSpace: true } : data;
}
