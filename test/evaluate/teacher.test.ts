import { compare, evaluate, evaluateTeacherAgreement, type EmbeddingModel } from '../../lib';
import { vectune } from '../checkpoint/vectune';
import { fixture, useModels } from '../public/models';

/** How far a model agrees with a teacher's vectors. */

const models = useModels();
/** Texts are angles in degrees. */
const at = (text: string, error: number): number[] => {
  const angle = ((Number(text) + error) * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)];
};
const off = (error: number): EmbeddingModel => ({
  embed: (texts) => Promise.resolve(texts.map((text) => (Number.isNaN(Number(text)) ? [1, 0] : at(text, error)))),
});
const rows = Array.from({ length: 12 }, (_, i) => ({ text: `${i * 7}`, vector: at(`${i * 7}`, 0) }));

test('the mean cosine with them, of rows of any source', async () => {
  const found = await evaluateTeacherAgreement(off(60), rows);
  expect(found).toMatchObject({ form: 'teacher-agreement', unit: 'texts', count: 12, primary: 'teacherAgreement' });
  expect(found.metrics.teacherAgreement).toBeCloseTo(0.5, 6);
  const file = models.write('vectors.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const read = await evaluate(off(60), file);
  expect(read.metrics['teacherAgreement']).toBeCloseTo(0.5, 6);
  expect(read.understood).toBe("12 texts with a teacher's vector of 2 numbers; columns text, vector");
  const compared = await compare(off(60), off(0), file);
  expect(compared.measures['teacherAgreement']).toMatchObject({ verdict: 'better' });
  expect(compared.better[0]!.texts).toHaveLength(1);
});

test('vectors of another length are refused, and what is none', async () => {
  const wide = [
    { text: '1', vector: [1, 2] },
    { text: '2', vector: [1, 2, 3] },
  ];
  await expect(evaluateTeacherAgreement(off(0), wide)).rejects.toMatchObject({
    code: 'ERR_LENGTH_MISMATCH',
    row: 1,
    message: expect.stringContaining("as the model's, 2, but that of row 1 (counted from 0) has 3") as string,
  });
  const odd = [{ text: '1', vector: [1, Number.NaN] }];
  await expect(evaluateTeacherAgreement(off(0), odd)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', row: 0 });
  await expect(evaluateTeacherAgreement(off(0), [])).rejects.toMatchObject({ code: 'ERR_EMPTY_DATA' });
});

test('by the command', async () => {
  const vectors = ['rain', 'boats', 'bridge', 'stone', 'old'].map((text, i) => ({
    text,
    vector: Array.from({ length: 32 }, (_, k) => Math.sin(i + k)),
  }));
  const file = models.write('taught.jsonl', vectors.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const { code, stdout } = await vectune(['evaluate', file, '--model', fixture('bert-mean')]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^agreement with the teacher +-?0\.\d{4} {3}-?0\.\d{4} … -?0\.\d{4}$/m);
}, 30_000);
