// The fuzzer's loop of the readers that are TypeScript: files of torch.save, the pickles in them, sentencepiece's models.
//   node test/fuzz/readers.mjs TARGET --seconds N --seed N --corpus FOLDER --artifact FILE
//   node test/fuzz/readers.mjs TARGET --replay FILE...
//   node test/fuzz/readers.mjs --list
// An input is one that a reader was given, changed. What is said of it, without its numbers, tells whether it reached
// something new; then it is changed further. The input that runs stands in the artifact, which outlives a crash.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

const require = createRequire(import.meta.url);
const ROOT = join(import.meta.dirname, '..', '..');
const { readPickle } = require(join(ROOT, 'dist/model/folder/pickle.js'));
const { tensorsOfTorchFile } = require(join(ROOT, 'dist/model/folder/torch-file.js'));
const { readSentencePiece } = require(join(ROOT, 'dist/tokenisation/sentencepiece.js'));
const { Tokeniser } = require(join(ROOT, 'dist/tokenisation/tokeniser.js'));

const FIXTURES = join(ROOT, 'test', 'parity', 'fixtures');
const torchFile = (name) => readFileSync(join(FIXTURES, 'torch-files', name));
/** Faults of the reader's own, and not words about a file. */
const OWN_FAULTS = [TypeError, ReferenceError, RangeError, SyntaxError];
/** For one input, of the clock: what a busy machine takes more must not count. */
const PATIENCE_MS = 20_000;
const LONGEST = 1 << 15;

/** What each target is given, and does with an input: what it read, in few words; throws what it says of a bad one. */
const TARGETS = {
  pickle: {
    seeds: () => ['zip.bin', 'parameters.bin', 'nested.bin', 'date.bin', 'before-1.6.bin'].flatMap(picklesOf),
    words: [
      'torch\nFloatStorage\n',
      'collections\nOrderedDict\n',
      'torch._utils\n_rebuild_tensor_v2\n',
      'R',
      't',
      'b',
      '(',
      '}',
      ')',
      '.',
      'X',
      'q',
      'h',
      'u',
      's',
      '\x85',
      '\x86',
      '\x87',
      '\x8a',
      'K',
      'M',
      'J',
      'I',
      'L',
      'Q',
      'c',
    ], // prettier-ignore
    run(input) {
      const { value, end } = readPickle(input);
      if (!(end > 0 && end <= input.length))
        throw new TypeError(`a pickle that ends at ${end} of ${input.length} bytes`);
      return value === null ? 'null' : `${typeof value} ${value?.constructor?.name}`;
    },
  },
  'torch-file': {
    seeds: () =>
      ['zip.bin', 'parameters.bin', 'one-storage.bin', 'half.bin', 'turned.bin', 'before-1.6.bin'].map(torchFile),
    words: ['PK\x03\x04', 'PK\x01\x02', 'PK\x05\x06', 'archive/data.pkl', 'archive/data/0', 'little'],
    async run(_, path) {
      const places = await tensorsOfTorchFile(path);
      for (const { name, dtype, shape, begin } of places) {
        const sound =
          typeof name === 'string' && typeof dtype === 'string' && Number.isSafeInteger(begin) && begin >= 0;
        if (!sound || !shape.every((size) => Number.isSafeInteger(size) && size >= 0))
          throw new TypeError(`a tensor ${name} of ${dtype} [${shape}] at ${begin}`);
      }
      return `${Math.min(places.length, 8)} tensors`;
    },
  },
  sentencepiece: {
    seeds: () => [readFileSync(join(FIXTURES, 'xlm-roberta-mean', 'model', 'sentencepiece.bpe.model'))],
    words: ['\x0a', '\x12', '\x1a', '\x08\x01', '\x18\x03', '\x18\x04', '\u2581'],
    async run(input) {
      const { pieces, modelType } = readSentencePiece(input, 'a file');
      const tokeniser = await Tokeniser.open({
        folder: 'a folder',
        files: new Map([['sentencepiece.bpe.model', input]]),
        tokenizerClass: 'XLMRobertaTokenizer',
        positions: 64,
        doLowerCase: false,
      });
      const { ids } = await tokeniser.encode(
        ['', 'the old mill', '\u0000\u202e\u0301', '\uff21\uff42\ufb01\u00a0\u3000'],
        10,
      );
      for (const id of ids)
        if (!(id >= 0 && id < tokeniser.vocabularySize))
          throw new TypeError(`a token ${id} of ${tokeniser.vocabularySize}`);
      tokeniser.close?.();
      return `type ${modelType}, ${Math.min(pieces.length >> 3, 8)}`;
    },
  },
};

/** The pickles in a file of torch.save. */
function picklesOf(name) {
  const bytes = torchFile(name);
  const found = [];
  for (let at = bytes.indexOf(Buffer.of(0x80, 2)); at >= 0; at = bytes.indexOf(Buffer.of(0x80, 2), at + 1)) {
    const end = bytes.indexOf('.', at);
    found.push(bytes.subarray(at, Math.min(bytes.length, Math.max(end + 1, at + 4000))));
    if (found.length === 6) break;
  }
  return found;
}

/** Numbers of a seed: mulberry32. */
function randomOf(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return below < 1 ? 0 : ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function mutated(corpus, words, random) {
  const newest = random(2) === 1;
  let input = corpus[newest ? corpus.length - 1 - random(Math.min(corpus.length, 16)) : random(corpus.length)];
  for (let rounds = 1 << random(4); rounds > 0; --rounds) {
    const at = random(input.length);
    const put = (bytes, instead = 0) => Buffer.concat([input.subarray(0, at), bytes, input.subarray(at + instead)]);
    switch (random(8)) {
      case 0:
        input = put(Buffer.of((input[at] ?? 0) ^ (1 << random(8))), 1);
        break;
      case 1:
        input = put(Buffer.of(random(256)), 1);
        break;
      case 2:
        input = put(Buffer.alloc(0), 1 + random(48));
        break;
      case 3:
        input = put(Buffer.alloc(1 + random(16), random(256)));
        break;
      case 4: {
        const from = random(input.length);
        input = put(input.subarray(from, from + 1 + random(64)));
        break;
      }
      case 5: {
        const number = Buffer.alloc(random(2) === 1 ? 4 : 8);
        number.writeUInt32LE(EDGES[random(EDGES.length)]);
        input = put(number.subarray(0, 1 + random(number.length)), number.length);
        break;
      }
      case 6:
        input = put(Buffer.from(words[random(words.length)], 'latin1'));
        break;
      default: {
        const other = corpus[random(corpus.length)];
        input = Buffer.concat([input.subarray(0, at), other.subarray(random(other.length))]);
      }
    }
  }
  return input.subarray(0, LONGEST);
}

/** What was said of an input, by its words. */
async function said(target, input, path) {
  const begin = performance.now();
  let words;
  try {
    words = `read: ${await target.run(input, path)}`;
  } catch (error) {
    if (!(error instanceof Error) || OWN_FAULTS.some((fault) => error.constructor === fault)) throw error;
    words = `${error.name}: ${error.message}`.replaceAll(/\d+/g, '#').slice(0, 60);
  }
  const spent = performance.now() - begin;
  if (spent > PATIENCE_MS) throw new Error(`it took ${Math.round(spent / 1000)} s`);
  return words;
}

async function fuzz(name, { seconds, seed, corpus: folder, artifact }) {
  const target = TARGETS[name];
  mkdirSync(folder, { recursive: true });
  mkdirSync(dirname(artifact), { recursive: true });
  const kept = readdirSync(folder).map((file) => readFileSync(join(folder, file)));
  const random = randomOf(seed);
  const [corpus, known] = [[], new Set()];
  let tried = 0;
  const attempt = async (input) => {
    writeFileSync(artifact, input);
    ++tried;
    const words = await said(target, input, artifact);
    if (known.has(words)) return false;
    known.add(words);
    return true;
  };
  for (const input of [...target.seeds(), ...kept])
    if ((await attempt(input)) || corpus.length === 0) corpus.push(input);
  const first = corpus.length;
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const input = mutated(corpus, target.words, random);
    if (!(await attempt(input))) continue;
    corpus.push(input);
    writeFileSync(join(folder, createHash('sha256').update(input).digest('hex').slice(0, 16)), input);
  }
  const counts = `${tried} inputs in ${seconds} s, ${known.size} things said`;
  console.log(`${name}: ${counts}, corpus ${corpus.length} (${corpus.length - first} of them new), seed ${seed}`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: 'boolean', default: false },
    replay: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    corpus: { type: 'string', default: '' },
    artifact: { type: 'string', default: 'current-input' },
  },
});
const [name, ...files] = positionals;
if (values.list) {
  console.log(Object.keys(TARGETS).join('\n'));
} else if (!Object.hasOwn(TARGETS, name ?? '')) {
  console.error(`There is no target ${name}; there are ${Object.keys(TARGETS).join(', ')}.`);
  process.exitCode = 2;
} else if (values.replay) {
  for (const file of files)
    console.log(`${name}: ${basename(file)}: ${await said(TARGETS[name], readFileSync(file), file)}`);
} else {
  await fuzz(name, { ...values, seconds: Number(values.seconds), seed: Number(values.seed) });
}
