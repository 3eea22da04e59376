import type { DataFacts } from './facts';
import { describeForm, type TrainingData } from './form';

/** How data was understood, in a line: «4,000 pairs with label 0/1: 1,512 ones; columns question1, question2, is_duplicate». */
export function understood(data: TrainingData & { facts: Pick<DataFacts, 'columns'> }): string {
  const { columns } = data.facts;
  return columns.length === 0 ? describeForm(data) : `${describeForm(data)}; columns ${columns.join(', ')}`;
}
