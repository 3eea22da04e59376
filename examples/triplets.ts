/** Queries, what was clicked and what was not. Run: npx tsx examples/triplets.ts */
import { models, TextVectorisation, type ModelPreset } from '../lib'; // 'vectune' in a project of your own

const clicks = [
  { anchor: 'warm jacket', positive: 'Down parka, to -20 degrees', negative: ['Rain cape', 'Linen shirt'] },
  { anchor: 'running shoes', positive: 'Trail runner with firm grip', negative: ['Leather boots'] },
  { anchor: 'gift for a child', positive: 'Wooden railway, 40 pieces', negative: ['Cordless drill', 'Desk lamp'] },
  { anchor: 'quiet keyboard', positive: 'Keyboard with silent switches', negative: ['Gaming keyboard with clicky switches'] },
  { anchor: 'tent for two', positive: 'Two-person tent, 2 kg', negative: ['Family tent for six'] },
  { anchor: 'coffee without a machine', positive: 'French press, one litre', negative: ['Espresso machine'] },
];

export async function run(model: string | ModelPreset = models.AllMiniLML6V2) {
  const tv = new TextVectorisation(model);
  try {
    // Rows may have different numbers of negatives; a stronger pull by a larger scale.
    return await tv.finetune(clicks, {
      loss: { name: 'multiple-negatives-ranking', scale: 30 },
      epochs: 2,
      validationSplit: 0.34,
    });
  } finally {
    await tv.dispose();
  }
}

if (require.main === module)
  void run().then(({ before, after }) => console.log(before?.tripletAccuracy, after?.tripletAccuracy));
