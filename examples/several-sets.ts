/** Questions with answers and graded pairs in one run, a loss each. Run: npx tsx examples/several-sets.ts */
import { models, TextVectorisation, type DataSets, type ModelPreset } from '../lib'; // 'vectune' in a project of your own

const sets: DataSets = {
  questions: [
    { question: 'How do I reset my password?', answer: 'Choose «Forgot password» on the sign-in page.' },
    { question: 'Where is my invoice?', answer: 'Invoices are under Account, Billing.' },
    { question: 'Can I pay by card?', answer: 'We take Visa and Mastercard.' },
    { question: 'How do I close my account?', answer: 'Write to us and we delete it within a day.' },
    { question: 'Do you ship to Norway?', answer: 'We deliver to all of Europe.' },
    { question: 'When will my parcel arrive?', answer: 'Parcels take two to four days.' },
  ],
  graded: {
    data: [
      { text1: 'pay by card', text2: 'credit card payment', score: 0.9 },
      { text1: 'pay by card', text2: 'parcel tracking', score: 0.1 },
      { text1: 'forgotten password', text2: 'reset the login', score: 0.8 },
      { text1: 'forgotten password', text2: 'delivery times', score: 0 },
      { text1: 'cancel my order', text2: 'stop a purchase', score: 0.85 },
      { text1: 'cancel my order', text2: 'opening hours', score: 0.1 },
    ],
    loss: 'cosent',
    measure: 'spearman',
  },
};

export async function run(model: string | ModelPreset = models.AllMiniLML6V2) {
  const tv = new TextVectorisation(model);
  try {
    // The steps of the two take turns. Each set is split for validation, and measured, by itself.
    return await tv.finetune(sets, { multiDatasetSampler: 'round-robin', epochs: 2, validationSplit: 0.34, folds: 1 });
  } finally {
    await tv.dispose();
  }
}

if (require.main === module) void run().then(({ before, after }) => console.log(before?.sets, after?.sets));
