import { lineChart } from '../charts/lines';
import { html, type Html } from '../html';
import { measure } from '../numbers';
import { lowerIsBetter, measureTitle, measureWords } from '../names';
import type { RunRecord, RunStep } from '../record';
import { drift } from './drift';
import { validatedOn } from '../measured-on';
import { half } from './half';
import { kept } from './kept';

/** Steps that a smoothed line averages over, as a share of all. */
const SMOOTHED = 1 / 30;

/** How training went: loss, the measure to go by, learning rate, what else moved. */
export function curves(record: RunRecord): Html {
  const { steps, epochs, primary, bestEpoch } = record;
  const charts: Html[] = [];
  const validated = epochs.flatMap(({ epoch, measures }) =>
    typeof measures['loss'] === 'number' ? [[epoch, measures['loss']] as const] : [],
  );
  if (steps.length > 0 || validated.length > 0) {
    const smooth = smoothed(steps);
    charts.push(
      half(
        'Loss',
        `Of the rows of each step before the step, smoothed, and of ${validatedOn(record)} after each epoch.`,
        lineChart({
          description: `Loss by epoch. Training: ${ends(smooth.map(([, y]) => y))}. Validation: ${ends(validated.map(([, y]) => y))}.`,
          xLabel: 'epoch',
          fromZero: true,
          series: [
            ...(steps.length > 60
              ? [
                  {
                    className: 'before',
                    name: '',
                    style: 'faint' as const,
                    points: steps.map(({ epoch, loss }) => [epoch, loss] as const),
                  },
                ]
              : []),
            { className: 'before', name: 'training', style: 'line', points: smooth },
            ...(validated.length > 0
              ? [{ className: 'after', name: 'validation', style: 'dots' as const, points: validated }]
              : []),
          ],
        }),
      ),
    );
  }
  const measured = epochs.flatMap(({ epoch, measures }) =>
    typeof measures[primary] === 'number' ? [[epoch, measures[primary]] as const] : [],
  );
  const best = measured.find(([epoch]) => epoch === bestEpoch);
  if (primary !== 'loss' && measured.length > 0) {
    const untrained = measured.find(([epoch]) => epoch === 0)?.[1];
    charts.push(
      half(
        measureTitle(primary),
        `On ${validatedOn(record)}; ${lowerIsBetter(primary) ? 'lower' : 'higher'} is better.${record.chosenBy === primary ? ' It chose the epoch.' : ` The epoch was chosen by the ${measureWords(record.chosenBy)}.`}`,
        lineChart({
          description: `${measureTitle(primary)} by epoch: ${measured.map(([epoch, value]) => `epoch ${epoch} ${measure(value)}`).join(', ')}.`,
          xLabel: 'epoch',
          series: [{ className: 'after', name: measureTitle(primary), style: 'dots', points: measured }],
          level: untrained === undefined || bestEpoch === 0 ? undefined : { value: untrained, name: 'untrained' },
          mark: best === undefined ? undefined : { x: best[0], y: best[1], name: `kept: ${measure(best[1])}` },
        }),
      ),
    );
  }
  if (steps.length > 1) {
    charts.push(
      half(
        'Learning rate',
        'Of each step.',
        lineChart({
          description: `Learning rate by epoch: ${ends(steps.map(({ learningRate }) => learningRate))}.`,
          xLabel: 'epoch',
          fromZero: true,
          series: [
            {
              className: 'after',
              name: 'learning rate',
              style: 'line',
              points: steps.map(({ epoch, learningRate }) => [epoch, learningRate] as const),
            },
          ],
        }),
      ),
    );
  }
  if (record.drift !== null) charts.push(drift(record.drift));
  if (record.kept != null) charts.push(kept(record.kept, record.outcome ?? (bestEpoch > 0 ? 'taken' : 'not-better')));
  return html`${charts.length > 0 ? html`<div class="halves">${charts}</div>` : null}`;
}

function ends(values: readonly number[]): string {
  return values.length === 0 ? 'none' : `from ${measure(values[0])} to ${measure(values.at(-1))}`;
}

/** Each step's mean with its neighbours. */
function smoothed(steps: readonly RunStep[]): (readonly [number, number])[] {
  const reach = Math.floor((steps.length * SMOOTHED) / 2);
  return steps.map(({ epoch }, i) => {
    const near = steps.slice(Math.max(0, i - reach), i + reach + 1);
    return [epoch, near.reduce((sum, { loss }) => sum + loss, 0) / near.length] as const;
  });
}
