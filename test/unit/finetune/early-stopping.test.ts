import { EarlyStopping } from '../../../lib/finetune/early-stopping';

/** Epochs that run and the best of them, for losses from epoch 0 on. */
function follow(losses: number[], patience: number | null, minDelta = 0) {
  const stopping = new EarlyStopping(patience, minDelta, losses[0]!);
  let epoch = 0;
  while (++epoch < losses.length) if (stopping.update(epoch, losses[epoch]!).stop) break;
  return { ran: Math.min(epoch, losses.length - 1), best: stopping.state.bestEpoch };
}

test.each([
  ['stops at the first epoch that is not better', [5, 4, 3, 3.5, 1], 1, 0, { ran: 3, best: 2 }],
  ['the untrained model is epoch 0', [1, 2, 0.5], 1, 0, { ran: 1, best: 0 }],
  ['an equal loss is no improvement', [1, 1, 0.5], 1, 0, { ran: 1, best: 0 }],
  ['patience 2 waits for one more', [5, 6, 4, 5, 6, 1], 2, 0, { ran: 4, best: 2 }],
  ['without patience it never stops', [1, 2, 3, 0.5, 4], null, 0, { ran: 4, best: 3 }],
  ['too small a step does not count, but its weights are kept', [1, 0.95, 0.93, 0.5], 2, 0.1, { ran: 2, best: 2 }],
  ['small steps add up', [1, 0.95, 0.85, 0.82, 0.7], 2, 0.1, { ran: 4, best: 4 }],
  ['a loss that is no number is no improvement', [1, NaN, 0.5], 1, 0, { ran: 1, best: 0 }],
  ['but any is better than that of a broken model', [NaN, 7, 8], 1, 0, { ran: 2, best: 1 }],
])('%s', (_, losses, patience, minDelta, expected) => {
  expect(follow(losses, patience, minDelta)).toEqual(expected);
});
