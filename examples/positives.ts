/** Questions and the passages that answer them: nothing else is needed. Run: npx tsx examples/positives.ts */
import { models, TextVectorisation, type ModelPreset } from '../lib'; // 'vectune' in a project of your own

const rows = [
  { question: 'How do I get my money back?', answer: 'Refunds are paid within ten days of the return.' },
  { question: 'Where is my parcel?', answer: 'The link in the dispatch mail follows every shipment.' },
  { question: 'Can I change the address?', answer: 'Until dispatch the delivery address can be edited in your account.' },
  { question: 'The app logs me out', answer: 'Sessions end after thirty days; tick "stay signed in" to prevent it.' },
  { question: 'Do you deliver abroad?', answer: 'We ship to all countries of the European Union.' },
  { question: 'My voucher does not work', answer: 'Vouchers are valid once and cannot be combined.' },
  { question: 'How do I cancel?', answer: 'A subscription ends at the end of the month in which it is cancelled.' },
  { question: 'Which sizes are there?', answer: 'The size table is below the pictures of each article.' },
];

export async function run(model: string | ModelPreset = models.AllMiniLML6V2) {
  const tv = new TextVectorisation(model);
  try {
    // Each answer is told apart from the other answers of its batch ('multiple-negatives-ranking').
    return await tv.finetune(rows, { epochs: 2, validationSplit: 0.25, onProgress: (event) => {
      if (event.type === 'data') console.log(event.understood);
    } });
  } finally {
    await tv.dispose();
  }
}

if (require.main === module) void run().then(({ before, after }) => console.log({ before, after }));
