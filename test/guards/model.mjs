/** Models and tokenizers from folders and from the hub. */
export const model = {
  'lib/tokenisation/tokeniser.ts': [
    {
      guard: 'pieces of texts',
      from: 'const PIECE_TEXTS = 256;',
      to: 'const PIECE_TEXTS = 4096;',
      test: 'lifetime/event-loop',
      name: 'texts are tokenised 256 at a time',
    },
    {
      guard: 'pieces of long texts',
      from: 'if (units > mostUnits && at > from) break;',
      to: 'if (units > mostUnits && at < from) break;',
      test: 'lifetime/event-loop',
      name: 'texts are tokenised 256 at a time',
    },
    {
      guard: 'tokenizer that fails on a text',
      from: "if (hasCode(error, 'ERR_DISPOSED')) throw error;",
      to: 'if (error !== undefined) throw error;',
      test: 'hostile/model-files',
      name: 'without the token for what it does not know',
    },
  ],

  'lib/tokenisation/charsmap.ts': [
    {
      guard: 'the trie is walked within its bounds',
      from: 'if (last >= trie.length) return false;',
      to: 'if (last >= trie.length) continue;',
      test: 'unit/tokenisation/charsmap',
      name: 'a root that leads out of the trie',
    },
    {
      guard: 'what a text finds is there',
      from: 'if (found > replaced.length ||',
      to: 'if (found < 0 ||',
      test: 'unit/tokenisation/charsmap',
      name: 'a leaf that names what is beyond',
    },
  ],

  'lib/model/folder/adapter.ts': [
    {
      guard: 'other kinds of adapters',
      from: 'if (fields.has(name) && value !== false && !empty) throw',
      to: "if (fields.has(name) && value === 'no' && !empty) throw",
      test: 'unit/model/adapter',
      name: 'refused: DoRA',
    },
  ],

  'lib/tokenisation/direct-tokenizer.ts': [
    {
      guard: 'largest id of special tokens',
      from: 'Math.max(largestId, largestOfVocabulary(tokenizer, run))',
      to: 'Math.max(0 * largestId, largestOfVocabulary(tokenizer, run))',
      test: 'hostile/model-files',
      name: 'whose special tokens have ids of their own',
    },
  ],

  'lib/tokenisation/thread-tokenizer.ts': [
    {
      guard: 'what a tokenizer owes when it is closed',
      from: 'if (this.#waiting.size === 0) void this.#worker.terminate();',
      to: 'void this.#worker.terminate();',
      test: 'lifetime/tokenizer-thread',
      name: 'closed',
    },
    {
      guard: 'thread of a tokenizer that nobody has',
      from: 'unreachable.register(this, worker);',
      to: '',
      test: 'lifetime/tokenizer-thread',
      name: 'unreachable',
    },
  ],

  'lib/model/folder/pickle.ts': [
    {
      guard: 'names that a pickle may have',
      from: 'if (name === ORDERED || name === REBUILD || name === PARAMETER || STORAGE.test(name)) return new Name(name);',
      to: 'if (name.length > 0) return new Name(name);',
      test: 'unit/model/torch-file',
      name: 'that runs a command',
    },
  ],

  'lib/model/folder/torch-file.ts': [
    {
      guard: 'tensors inside of their storage',
      from: 'if (shape[i]! > 1 && strides[i] !== dense)',
      to: 'if (shape[i]! > 1 && strides[i] === -1)',
      test: 'unit/model/torch-file',
      name: 'turned.bin is refused',
    },
  ],

  'lib/model/folder/modules.ts': [
    {
      guard: 'paths of modules',
      from: 'if (isBelow(plain)) {',
      to: "if (isBelow(plain) || plain !== '') {",
      test: 'unit/model/refused-files',
      name: 'an absolute path',
    },
    {
      guard: 'links out of a model folder',
      from: '|| isBelow(relative(from, to))) return module;',
      to: "|| isBelow(relative(from, to)) || to !== '') return module;",
      test: 'unit/model/refused-files',
      name: 'a path through a link',
    },
  ],

  'lib/system/json.ts': [
    {
      guard: 'depth of JSON',
      from: 'if (isDeeper(text, MAX_DEPTH)) throw',
      to: 'if ((false as boolean) && isDeeper(text, MAX_DEPTH)) throw',
      test: 'unit/model/refused-files',
      name: 'modules.json nested too deep',
    },
  ],

  'lib/model/fetch/data-set.ts': [
    {
      guard: 'what is in the cache is not asked for again',
      from: 'if (kept !== undefined) return kept;',
      to: '',
      test: 'unit/model/data-set',
      name: 'all files of the split as one',
    },
  ],

  'lib/model/fetch/hub.ts': [
    {
      guard: "paths of a hub's listing",
      from: "  if (parts.length > 2 || parts.some((part) => part === '' || part.startsWith('.'))) return false;\n",
      to: '',
      test: 'hostile/model-files',
      name: "any path of a hub's listing that counts as a model's file",
    },
  ],
};
