import { html, type Html } from '../html';
import { measuredOnShort } from '../measured-on';
import { isSearched, usedPrompts } from '../prompts';
import type { RunRecord } from '../record';

/** Code, and commands where the run was one, that use the model as it was trained: with its prompts, and the threshold. */
export function use(record: RunRecord): Html {
  const where = record.folder ?? 'my-model';
  const commands = html`<pre><code>${commandsOf(record, where)}</code></pre>`;
  const code = html`<pre><code>${typescript(record, where)}</code></pre>`;
  const inPython = html`<details><summary>In Python</summary><pre><code>${python(record, where)}</code></pre></details>`;
  return record.surface === 'cli'
    ? html`<section><h2>How to use the model</h2>${commands}
<details open><summary>In TypeScript</summary>${code}</details>
${inPython}</section>`
    : html`<section><h2>How to use the model</h2>${code}
<details><summary>On the command line</summary>${commands}</details>
${inPython}</section>`;
}

function thresholdOf({ comparison }: RunRecord): number | null {
  return comparison?.kind === 'labels' ? (comparison.measures['f1Threshold']?.b ?? null) : null;
}

const quoted = (text: string): string => JSON.stringify(text);
const shell = (text: string): string => (/^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

function commandsOf(record: RunRecord, where: string): string {
  const [first, other] = usedPrompts(record.prompts, record.form);
  const prompt = (text: string | undefined): string => (text === undefined ? '' : ` --prompt ${shell(text)}`);
  const embed = (text: string | undefined, ...texts: string[]): string =>
    `npx vectune embed --model ${shell(where)}${prompt(text)} ${texts.map((one) => `"${one}"`).join(' ')}`;
  const asked =
    first === other
      ? prompt(first)
      : [
          first === undefined ? '' : ` --query-prompt ${shell(first)}`,
          other === undefined ? '' : ` --corpus-prompt ${shell(other)}`,
        ].join('');
  return [
    ...(first === other
      ? [embed(first, 'one text', 'another text')]
      : [embed(first, 'a question'), embed(other, 'one answer', 'another answer')]),
    `npx vectune evaluate rows-not-trained-on.csv --model ${shell(where)}${isSearched(record.form) || first === other ? asked : prompt(first)}`,
  ].join('\n');
}

function typescript(record: RunRecord, where: string): string {
  const [first, other] = usedPrompts(record.prompts, record.form);
  const option = (text: string | undefined): string => (text === undefined ? '' : `, { prompt: ${quoted(text)} }`);
  const save =
    record.folder === null && record.surface !== 'cli' ? `// after the run: await tv.save(${quoted(where)});\n` : '';
  const open = `import { TextVectorisation, cosineSimilarity } from 'vectune';

${save}const tv = new TextVectorisation(${quoted(where)});`;
  if (isSearched(record.form)) {
    return `${open}
const [question] = await tv.embed(['a question']${option(first)});
const answers = await tv.embed(['one answer', 'another answer']${option(other)});
const similarities = answers.map((answer) => cosineSimilarity(question, answer)); // the highest is the best answer`;
  }
  if (record.form === 'classes') {
    return `${open}
const [text] = await tv.embed(['a text']${option(first)});
const known = await tv.embed(['a text of one class', 'a text of another']${option(first)});
const similarities = known.map((one) => cosineSimilarity(text, one)); // its class is that of the most similar ones`;
  }
  const embedded =
    first === other
      ? `const [a, b] = await tv.embed(['one text', 'another text']${option(first)});`
      : `const [a] = await tv.embed(['one text']${option(first)});
const [b] = await tv.embed(['another text']${option(other)});`;
  const threshold = thresholdOf(record);
  const decide =
    threshold === null
      ? `console.log(similarity); // the nearer to 1, the more alike`
      : `console.log(similarity >= ${threshold.toFixed(4)} ? 'the same' : 'not the same'); // best F1 on ${rowsOf(record)}`;
  return `${open}
${embedded}
const similarity = cosineSimilarity(a, b);
${decide}`;
}

function rowsOf(record: RunRecord): string {
  const { comparison } = record;
  return comparison?.of == null ? measuredOnShort(record) : comparison.of.name.replaceAll(/[\r\n\u2028\u2029]/g, ' ');
}

function python(record: RunRecord, where: string): string {
  const [first, other] = usedPrompts(record.prompts, record.form);
  const option = (text: string | undefined): string => (text === undefined ? '' : `, prompt=${quoted(text)}`);
  const open = `from sentence_transformers import SentenceTransformer

model = SentenceTransformer(${quoted(where)})`;
  if (isSearched(record.form)) {
    return `${open}
question = model.encode(["a question"]${option(first)})
answers = model.encode(["one answer", "another answer"]${option(other)})
similarities = model.similarity(question, answers)`;
  }
  return first === other
    ? `${open}
similarity = model.similarity(*model.encode(["one text", "another text"]${option(first)}))`
    : `${open}
similarity = model.similarity(model.encode("one text"${option(first)}), model.encode("another text"${option(other)}))`;
}
