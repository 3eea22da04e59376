import { run as classes } from '../../examples/classes';
import { run as distillation } from '../../examples/distillation';
import { run as ownLoss } from '../../examples/own-loss';
import { run as positives } from '../../examples/positives';
import { run as severalSets } from '../../examples/several-sets';
import { run as triplets } from '../../examples/triplets';
import { fixture } from '../public/models';

/** What stands in examples/ does what it says, with a tiny model. */

let told: jest.SpyInstance;
beforeEach(() => {
  told = jest.spyOn(console, 'log').mockImplementation(() => undefined);
});
afterEach(() => told.mockRestore());

test('positives', async () => {
  const report = await positives(fixture('bert-mean'));
  expect(told).toHaveBeenCalledWith('8 pairs of anchor and positive; columns question, answer');
  expect(report).toMatchObject({ loss: { name: 'multiple-negatives-ranking' }, rows: { training: 6, validation: 2 } });
});

test('triplets', async () => {
  const report = await triplets(fixture('bert-mean'));
  expect(report.loss).toEqual({ name: 'multiple-negatives-ranking', scale: 30 });
  expect(report.before!.tripletAccuracy).toBeGreaterThanOrEqual(0);
});

test('classes', async () => {
  const report = await classes(fixture('bert-mean'));
  expect(report).toMatchObject({ loss: { name: 'batch-all-triplet' }, rows: { training: 9, validation: 3 } });
});

test('distillation', async () => {
  const report = await distillation(fixture('bert-mean'), fixture('distilbert-dense'));
  expect(told).toHaveBeenCalledWith('15 of 15 texts from the teacher');
  expect(report).toMatchObject({ loss: { name: 'distill-kl-div' }, rows: { training: 4, validation: 2 } });
});

test('own loss', async () => {
  const report = await ownLoss(fixture('bert-mean'));
  expect(report.loss).toEqual({ name: 'own', own: 'huber of the cosine', version: 1 });
  expect(report.epochs.map(({ trainingLoss }) => trainingLoss).every(Number.isFinite)).toBe(true);
});

test('several sets', async () => {
  const report = await severalSets(fixture('bert-mean'));
  expect(report.sets).toMatchObject({
    questions: { loss: { name: 'multiple-negatives-ranking' } },
    graded: { loss: { name: 'cosent' }, measure: 'spearman' },
  });
  expect(Object.keys(report.after!.sets!)).toEqual(['questions', 'graded']);
});
