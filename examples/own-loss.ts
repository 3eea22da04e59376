/** A loss of one's own: the Huber error of the cosine similarity, which forgives wrong scores. Run: npx tsx examples/own-loss.ts */
import { models, TextVectorisation, type ModelPreset, type OwnLoss } from '../lib'; // 'vectune' in a project of your own

const huber: OwnLoss = {
  name: 'huber of the cosine',
  version: 1, // another number where compute does something else: checkpoints are of one version
  checkGradient: true, // while it is developed
  compute(vectors, { rows, dimensions, labels }) {
    const gradient = new Float32Array(vectors.length);
    let loss = 0;
    for (let r = 0; r < rows; ++r) {
      // Text 0 of row r, and text 1 of it.
      const [a, b] = [r * dimensions, (rows + r) * dimensions];
      let [uv, uu, vv] = [0, 0, 0];
      for (let d = 0; d < dimensions; ++d) {
        uv += vectors[a + d]! * vectors[b + d]!;
        uu += vectors[a + d]! ** 2;
        vv += vectors[b + d]! ** 2;
      }
      const length = Math.sqrt(uu * vv);
      const error = uv / length - labels[r]!;
      loss += (Math.abs(error) < 0.25 ? error ** 2 / 2 : 0.25 * (Math.abs(error) - 0.125)) / rows;
      const slope = Math.max(-0.25, Math.min(0.25, error)) / rows;
      for (let d = 0; d < dimensions; ++d) {
        gradient[a + d] = slope * (vectors[b + d]! / length - ((uv / length) * vectors[a + d]!) / uu);
        gradient[b + d] = slope * (vectors[a + d]! / length - ((uv / length) * vectors[b + d]!) / vv);
      }
    }
    return { loss, gradient };
  },
};

const rows = [
  { text1: 'How do I pay?', text2: 'Which cards do you take?', score: 0.9 },
  { text1: 'How do I pay?', text2: 'When do you open?', score: 0.1 },
  { text1: 'Where is my parcel?', text2: 'Has my order been sent?', score: 0.9 },
  { text1: 'Where is my parcel?', text2: 'Do you sell shoes?', score: 0.0 },
  { text1: 'Can I return it?', text2: 'How long may I give it back?', score: 1.0 },
  { text1: 'Can I return it?', text2: 'How old are you?', score: 0.1 },
];

export async function run(model: string | ModelPreset = models.AllMiniLML6V2) {
  const tv = new TextVectorisation(model);
  try {
    return await tv.finetune(rows, { loss: huber, epochs: 2, validationSplit: 0 });
  } finally {
    await tv.dispose();
  }
}

if (require.main === module) void run().then(({ loss, epochs }) => console.log(loss, epochs));
