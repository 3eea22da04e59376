import { inTurn, runWork, spread } from '../measure.mjs';
import { row } from './row.mjs';

export async function eventLoop(c) {
  const request = {
    kind: 'finetune',
    model: c.model,
    precision: c.precisions.at(-1),
    batchSize: 16,
    threads: c.threads,
    maxInputLength: 64,
    ...c.training,
  };
  const [free, busy] = await inTurn(
    [() => runWork('vectune', request), () => runWork('vectune', { ...request, busyLoop: 0.5 })],
    c.runs,
  );
  const slower = spread(busy, (r) => r.seconds).median / spread(free, (r) => r.seconds).median;
  // Half of one core of all: what is left is (threads − 0.5) / threads.
  const allowed = c.threads / (c.threads - 0.5);
  c.figures.push({ work: 'eventLoop', slower, allowed });
  return [
    row(
      `the caller's event loop busy half of the time, ${c.precisions.at(-1)}`,
      { ours: `takes ${slower.toFixed(2)} times as long` },
      [[`≤ ${allowed.toFixed(2)} times`, slower <= allowed]],
    ),
  ];
}
