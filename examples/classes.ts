/** Texts with a class: those of one come together, the others apart. Run: npx tsx examples/classes.ts */
import { models, TextVectorisation, type ModelPreset } from '../lib'; // 'vectune' in a project of your own

const tickets = [
  ['The invoice has the wrong address', 'billing'],
  ['I was charged twice', 'billing'],
  ['Please send me a receipt', 'billing'],
  ['The card was refused', 'billing'],
  ['The page stays white', 'bug'],
  ['The button does nothing', 'bug'],
  ['It crashes when I upload a photo', 'bug'],
  ['Text overlaps on my phone', 'bug'],
  ['Could you add a dark mode?', 'wish'],
  ['An export to CSV would help', 'wish'],
  ['I would like more colours', 'wish'],
  ['Please support passkeys', 'wish'],
] as const;

export async function run(model: string | ModelPreset = models.AllMiniLML6V2) {
  const tv = new TextVectorisation(model);
  try {
    const texts = tickets.map(([text]) => text);
    const classes = tickets.map(([, label]) => label);
    return await tv.finetune(texts, classes, { epochs: 2, validationSplit: 0.25 });
  } finally {
    await tv.dispose();
  }
}

if (require.main === module) void run().then(({ before, after }) => console.log(before?.loss, after?.loss));
