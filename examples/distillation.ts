/** A big model's judgement in a small one. Run: npx tsx examples/distillation.ts */
import { models, TextVectorisation, type ModelPreset } from '../lib'; // 'vectune' in a project of your own

// Queries with texts that may answer them; nobody said which do. `mineHardNegatives` finds such texts in a corpus.
const rows = [
  ['how do I reset my password', 'Reset it on the sign-in page', 'Passwords have ten letters', 'Our office hours'],
  ['where is my parcel', 'Follow it with the number we sent', 'Parcels weigh up to 30 kg', 'Reset it on the sign-in page'],
  ['can I pay by invoice', 'Companies may pay within 30 days', 'We take all cards', 'Parcels weigh up to 30 kg'],
  ['do you ship abroad', 'We deliver in all of Europe', 'Follow it with the number we sent', 'We take all cards'],
  ['how long is the warranty', 'Two years for all devices', 'We deliver in all of Europe', 'Our office hours'],
  ['when can I call you', 'Our office hours', 'Two years for all devices', 'Companies may pay within 30 days'],
];

export async function run(
  student: string | ModelPreset = models.AllMiniLML6V2,
  teacher: string | ModelPreset = models.AllMpnetBaseV2,
) {
  const small = new TextVectorisation(student);
  const big = new TextVectorisation(teacher);
  try {
    // The order that the teacher gives to the candidates; the widths of the two models' vectors may differ.
    const report = await small.finetune(rows, {
      teacher: big,
      loss: { name: 'distill-kl-div' },
      epochs: 2,
      validationSplit: 0.34,
      onProgress: (event) => {
        if (event.type === 'teacher') console.log(`${event.done} of ${event.texts} texts from the teacher`);
      },
    });
    return report;
  } finally {
    await small.dispose();
    await big.dispose();
  }
}

if (require.main === module) void run().then((report) => console.log(report.before, report.after));
