import { chooseShare } from '../../../lib/finetune/share';

/** Costs by share; the untrained model's is 0, so that what is gained is minus the cost. */
const tried = (gains: Record<number, number>, dropped: number[] = []) =>
  Object.entries(gains).map(([share, gain]) => ({
    share: Number(share),
    cost: -gain,
    keeps: !dropped.includes(Number(share)),
  }));
const chosen = (...given: Parameters<typeof tried>) => chooseShare(tried(...given), 0)?.share;

test.each<[string, Record<number, number>, number[], number | undefined]>([
  ['the least share with nine tenths of the best gain', { 1: 8, 0.85: 8.1, 0.7: 7.5, 0.5: 6 }, [], 0.7],
  ['just nine tenths is enough', { 1: 10, 0.7: 9 }, [], 0.7],
  ['the best where less is much less', { 1: 8, 0.7: 5, 0.5: 3 }, [], 1],
  ['less is more', { 1: 1, 0.7: 3, 0.5: 4 }, [], 0.5],
  ['the least loss where nothing is gained', { 1: -3, 0.7: -1, 0.5: -2 }, [], 0.7],
  ['only what keeps what must be kept', { 1: 8, 0.7: 6, 0.5: 2 }, [1], 0.7],
  ['also where more would be better', { 1: 8, 0.7: 6, 0.5: 2 }, [1, 0.7], 0.5],
  ['none where none keeps it', { 1: 8, 0.7: 6 }, [1, 0.7], undefined],
  ['the least of equal ones', { 1: 0, 0.7: 0 }, [], 0.7],
])('%s', (_, gains, dropped, expected) => {
  expect(chosen(gains, dropped)).toBe(expected);
});

test('a model whose own measure is not defined is worse than any that has one', () => {
  expect(chooseShare(tried({ 1: 5, 0.5: 4 }), Infinity)?.share).toBe(1);
  expect(chooseShare([{ share: 1, cost: Infinity, keeps: true }], Infinity)?.share).toBe(1);
});
