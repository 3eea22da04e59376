import { html, type Html } from '../html';
import type { RunRecord } from '../record';

/** Code that loads the model and decides with the threshold. */
export function use({ folder, comparison }: RunRecord): Html {
  const threshold = comparison?.kind === 'labels' ? (comparison.measures['f1Threshold']?.b ?? null) : null;
  const where = JSON.stringify(folder ?? 'my-model');
  const save = folder === null ? `// after the run: await tv.save(${where});\n` : '';
  const decide =
    threshold === null
      ? `console.log(similarity); // the nearer to 1, the more alike`
      : `console.log(similarity >= ${threshold.toFixed(4)} ? 'the same' : 'not the same'); // best F1 on the validation rows`;
  const typescript = `import { TextVectorisation, cosineSimilarity } from 'vectune';

${save}const tv = new TextVectorisation(${where});
const [a, b] = await tv.embed(['one text', 'another text']);
const similarity = cosineSimilarity(a, b);
${decide}`;
  const python = `from sentence_transformers import SentenceTransformer

model = SentenceTransformer(${where})
similarity = model.similarity(*model.encode(["one text", "another text"]))`;
  return html`<section><h2>How to use the model</h2><pre><code>${typescript}</code></pre>
<details><summary>In Python</summary><pre><code>${python}</code></pre></details></section>`;
}
