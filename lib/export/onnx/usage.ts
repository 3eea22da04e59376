import { STATIC } from '../../model/folder/static-embedding';
import { promptLines, type ModelFacts } from '../../model/save/card';
import type { OpenedModel } from '../../model/types';

/** How an export is used, for its model card. */

const TEXTS = "['How old are you?', 'What is your age?']";

/** Poolings as transformers.js names them; it has no other. */
const PIPELINE_POOLINGS: Readonly<Record<string, string>> = { mean: 'mean', cls: 'cls', lasttoken: 'last_token' };

/** @param dtype transformers.js' name of the precision @param file the graph of that precision */
export function onnxUsage(model: OpenedModel, facts: ModelFacts, dtype: string, file: string): string {
  const [first, ...rest] = model.spec.head;
  const mode = first?.kind === 'pooling' && first.modes.length === 1 ? first.modes[0]! : undefined;
  // It takes the last place, which is a text's own where shorter ones are filled up on the left.
  const isLast = mode !== 'lasttoken' || model.layout.tokenizerConfig['padding_side'] === 'left';
  const pooling = mode !== undefined && isLast ? PIPELINE_POOLINGS[mode] : undefined;
  const plain = rest.every(({ kind }) => kind === 'normalize') && model.dimension === model.width;
  const pipeline = pooling !== undefined && plain;
  const normalize = rest.length > 0;
  return [
    'With transformers.js:',
    '',
    '```js',
    ...(pipeline
      ? [
          "import { pipeline } from '@huggingface/transformers';",
          '',
          `const extract = await pipeline('feature-extraction', 'path/to/this-folder', { dtype: '${dtype}' });`,
          `const vectors = await extract(${TEXTS}, { pooling: '${pooling}', normalize: ${normalize} });`,
        ]
      : [
          "import { AutoModel, AutoTokenizer } from '@huggingface/transformers';",
          '',
          "const tokenizer = await AutoTokenizer.from_pretrained('path/to/this-folder');",
          `const model = await AutoModel.from_pretrained('path/to/this-folder', { dtype: '${dtype}' });`,
          `const inputs = await tokenizer(${TEXTS}, { padding: true, truncation: true });`,
          'const { sentence_embedding: vectors } = await model(inputs);',
        ]),
    '```',
    ...(model.architecture === STATIC
      ? []
      : [
          '',
          'With sentence-transformers (Python, `pip install sentence-transformers[onnx]`):',
          '',
          '```python',
          'from sentence_transformers import SentenceTransformer',
          '',
          `model = SentenceTransformer('path/to/this-folder', backend='onnx', model_kwargs={'file_name': '${file}'})`,
          `vectors = model.encode(${TEXTS})`,
          '```',
        ]),
    '',
    'In any ONNX runtime: `input_ids`, `attention_mask` and, where the graph has it, `token_type_ids`, int64 ' +
      `[batch × sequence], texts filled up on the right${model.spec.encoder.attention === undefined ? '' : ' or left'}; ` +
      '`sentence_embedding` is what vectune computes, ' +
      '`last_hidden_state` is before the pooling.',
    ...promptLines(facts),
  ].join('\n');
}
