/** Measures and reports: ties, bounds of pieces, what must not come out of the data into a page or a terminal. */
export const evaluate = {
  'lib/evaluate/metrics/classification.ts': [
    {
      guard: 'a rounded middle does not take the next group in',
      from: 'return middle === lower ? lowest : middle;',
      to: 'return lower;',
      test: 'evaluate/binary',
      name: 'cosine, as sentence-transformers',
    },
    {
      guard: 'labels of both classes',
      from: 'if (positives === 0 || positives === rows) return null;',
      to: '',
      test: 'evaluate/binary',
      name: 'labels that cannot be measured are refused',
    },
  ],
  'lib/evaluate/metrics/ranking.ts': [
    {
      guard: 'ids by code point',
      from: 'return codePointOrder(x) - codePointOrder(y);',
      to: 'return x - y;',
      test: 'evaluate/retrieval',
      name: 'ids are in the order of code points',
    },
  ],
  'lib/search/matrix.ts': [
    {
      guard: 'a query that is no number is named by its own number',
      from: 'if (odd === -1) return;',
      to: 'return;',
      test: 'search/vector-index',
      name: 'what is no vector, not finite, of another width or type is refused by its number',
    },
  ],
  'lib/evaluate/data-set.ts': [
    {
      guard: 'pairs with label 0 are no duplicates',
      from: 'if (labelWidth === 0 || labels[i] === 1) same.push',
      to: 'same.push',
      test: 'evaluate/data-set',
      name: 'task chooses the evaluator',
    },
    {
      guard: 'what is positive of an anchor in any row is no negative of it',
      from: '[...negative].filter((text) => !positive.has(text))',
      to: '[...negative]',
      test: 'evaluate/data-set',
      name: 'what was left out is told',
    },
  ],
  'lib/mine/hard-negatives.ts': [
    {
      guard: "an anchor's positives are no negatives of it",
      from: 'if (!includePositives && own.includes(text)) continue;',
      to: '',
      test: 'mine/hard-negatives',
      name: 'leaves ["t80","t70","t60"]',
    },
  ],
  'lib/embed/batches.ts': [
    {
      guard: 'a batch is computed while one is looked at, and no more',
      from: 'yield ready;',
      to: 'void ready;',
      test: 'search/batches',
      name: 'lists and iterables come in batches, in order',
    },
  ],
  'lib/evaluate/top-k.ts': [
    {
      guard: 'ties by the id',
      from: 'b.similarity - a.similarity || this.#tie(a.document, b.document)',
      to: 'b.similarity - a.similarity',
      test: 'evaluate/retrieval',
      name: 'a search in blocks finds what sorting everything finds',
    },
  ],
  'lib/evaluate/work.ts': [
    {
      guard: 'the event loop gets its turn',
      from: 'await new Promise(setImmediate);',
      to: '',
      test: 'evaluate/stopping',
      name: 'a timer that fires while vectors are compared stops it',
      hangs: true,
    },
  ],
  'lib/evaluate/embedding.ts': [
    {
      guard: 'numbers that are none are not measured',
      from: 'if (Number.isFinite(cut[i]!)) continue;',
      to: 'continue;',
      test: 'evaluate/stopping',
      name: 'a vector with a number that is none is refused',
    },
    {
      guard: 'who knows no prompts gets texts that have them',
      from: 'asked.map((text) => textOf(prompt) + text)',
      to: 'asked',
      test: 'evaluate/prompts',
      name: 'by what a text is: queries, documents, and all others',
    },
  ],
  'lib/evaluate/bootstrap.ts': [
    {
      guard: 'a few rows are not judged',
      from: 'export const FEWEST = 5;',
      to: 'export const FEWEST = 1;',
      test: 'evaluate/compare',
      name: 'too few rows are not judged',
    },
  ],
  'lib/report/style.ts': [
    {
      guard: 'a long word of a row does not widen the page',
      from: '.texts { overflow-wrap: anywhere; } ',
      to: '',
      test: 'report/browser',
      name: 'at 1280 pixels, light',
    },
  ],
  'lib/embed/endpoint.ts': [
    {
      guard: 'a server that says to wait long is not waited for',
      from: ' || pause > LONGEST_PAUSE_MS',
      to: '',
      test: 'unit/embed/endpoint',
      name: 'a busy server is asked again, another refusal is not',
      hangs: true,
    },
  ],
  'lib/report/html.ts': [
    {
      guard: 'texts are escaped',
      from: '.replaceAll(/[&<>"\']/g, (character) => entities[character]!)',
      to: '',
      test: 'report/report',
      name: 'no text becomes markup',
    },
    {
      guard: 'the record cannot end its element',
      from: '.replaceAll(/[<>&\\u2028\\u2029]/g, code)',
      to: '',
      test: 'report/report',
      name: 'no text becomes markup',
    },
  ],
  'lib/finetune/run-report.ts': [
    {
      guard: 'a report that cannot be written is known before training',
      from: 'return AtomicFile.prove(this.#file);',
      to: 'return Promise.resolve();',
      test: 'report/finetune',
      name: 'a place that cannot be written is refused before anything is done',
    },
  ],
  'lib/cli/measures.ts': [
    {
      guard: 'texts cannot move the cursor',
      from: 'const plain = text.replaceAll(',
      to: 'const plain = text; text.replaceAll(',
      test: 'evaluate/cli',
      name: 'texts of the data cannot move the cursor',
    },
  ],
};
