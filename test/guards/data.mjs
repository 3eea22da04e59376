/** Reading data: what must not be read wrongly without a word, and what must not keep the event loop waiting. */
export const data = {
  'lib/data/repeats.ts': [
    {
      guard: 'rows that contradict each other are told from those that are there twice',
      from: 'else if (sameLabel(row, earlier)) {',
      to: 'else {',
      test: 'unit/data/repeats',
      name: 'pairs, in any order of their texts',
    },
  ],

  'lib/data/formats/joined.ts': [
    {
      guard: 'columns in another order are the same columns',
      from: 'yield* this.#current.rows(here, isRow);',
      to: 'yield* this.#current.rows(positions, isRow);',
      test: 'unit/model/data-set',
      name: 'all files of the split as one',
    },
  ],

  'lib/data/bad-rows.ts': [
    {
      guard: 'all faults of a file are counted',
      from: 'if (!this.skip && this.file === null) throw error;',
      to: 'if (!this.skip) throw error;',
      test: 'unit/data/training-forms',
      name: 'of a file all are counted',
    },
  ],

  'lib/data/lists.ts': [
    {
      guard: 'scores in lists are written as those of files may be',
      from: 'const reader = new FormReader({ plan, names, score });',
      to: 'const reader = new FormReader({ plan, names, score: { ...score, range: [0, 1] } });',
      test: 'unit/data/rows-as-files',
      name: 'scores from 0 to 5',
    },
  ],

  'lib/data/read.ts': [
    {
      guard: 'columns of scored files that were not read are named',
      from: '...unread, ...score.notes()',
      to: '...unread.slice(1), ...score.notes()',
      test: 'unit/data/rows-as-files',
      name: 'what is taken as 0 and 1, and what is not read, is told',
    },
  ],

  'lib/data/cells.ts': [
    {
      guard: 'numbers that single precision has not',
      from: 'return Number.isFinite(Math.fround(number));',
      to: 'return Number.isFinite(number);',
      test: 'hostile/training-rows',
      name: 'vectors with anything',
    },
  ],

  'lib/data/form-columns.ts': [
    {
      guard: 'an id is no text',
      from: 'names.flatMap((name, i) => (others.includes(i) || isId(name) ? [] : [i]))',
      to: 'names.flatMap((name, i) => (others.includes(i) ? [] : [i]))',
      test: 'unit/data/training-forms',
      name: 'by order: texts of two languages, without the id',
    },
  ],

  'lib/data/text/text-source.ts': [
    {
      guard: 'bytes that mean nothing are refused',
      from: 'if (bad !== undefined) throw this.#undecodable(text, bad);\n          if (bytes.length',
      to: 'if (bytes.length',
      test: 'unit/data/forms',
      name: 'bytes that are not UTF-8 are told',
    },
    {
      guard: 'UTF-16 without a mark',
      from: 'const unmarked = mark === undefined',
      to: 'const unmarked = mark !== undefined',
      test: 'unit/data/texts',
      name: 'UTF-16 without a mark',
    },
  ],

  'lib/data/text/encoding.ts': [
    {
      guard: 'a character across two pieces',
      from: 'this.#rest = all.slice(whole);',
      to: 'this.#rest = all.slice(all.length);',
      test: 'unit/data/texts',
      name: 'UTF-8 with a mark',
    },
  ],

  'lib/data/text/lines.ts': [
    {
      guard: 'lines end at LF only',
      from: "at = piece.indexOf('\\n', from)) {",
      to: 'at = piece.slice(from).search(/[\\n\\u2028]/) < 0 ? -1 : from + piece.slice(from).search(/[\\n\\u2028]/)) {',
      test: 'unit/data/delimited',
      name: 'lines',
    },
  ],

  'lib/data/formats/delimited.ts': [
    {
      guard: 'a stray quote does not take rows into a field',
      from: 'looksLikeRow(lines[0]!) && looksLikeRow(lines.at(-1)!)',
      to: 'lines.length === 0',
      test: 'unit/data/forms',
      name: 'opened in one row and closed rows later',
    },
  ],

  'lib/data/formats/parquet.ts': [
    {
      guard: 'a turn between two pieces of Parquet',
      from: 'await new Promise(setImmediate);',
      to: '',
      test: 'hostile/parquet',
      name: 'decoded page by page',
    },
  ],

  'lib/data/object-rows.ts': [
    {
      guard: 'a turn between two pieces of rows',
      from: 'return ++row % ROWS_AT_ONCE === 0 ? turn() : undefined;',
      to: 'return ++row < 0 ? turn() : undefined;',
      test: 'unit/data/forms',
      name: 'lists, iterables and async iterables',
    },
  ],
};
