'use strict';
// argv[2]: what is tried with the tokenizer of a large vocabulary. Prints as JSON what was seen.
const { deepStrictEqual } = require('node:assert');
const path = require('node:path');
const threads = require('node:worker_threads');
const { DirectTokenizer } = require(path.resolve(__dirname, '../../../dist/tokenisation/direct-tokenizer.js'));

/** Threads of this process, and tokenizers made in this one. */
const seen = { threads: [], made: 0 };
const { Worker } = threads;
// thread-tokenizer.ts takes the class from the module when it opens a tokenizer.
Object.defineProperty(threads, 'Worker', {
  value: class extends Worker {
    constructor(...args) {
      if (process.argv[2] === 'forbidden') throw new Error('as --permission does');
      super(...args);
      this.ended = new Promise((resolve) => this.once('exit', () => resolve('ended')));
      seen.threads.push(this);
    }
  },
});
const { open } = DirectTokenizer;
DirectTokenizer.open = (from) => {
  ++seen.made;
  return open.call(DirectTokenizer, from);
};
const { Tokeniser } = require(path.resolve(__dirname, '../../../dist/tokenisation/tokeniser.js'));

const tokens = [['<s>'], ['<pad>'], ['</s>'], ['<unk>']].map(([text]) => [text, 0]);
const vocab = [...tokens, ...Array.from({ length: 60_000 }, (_, i) => [`\u2581w${i.toString(36)}`, -5 - i / 60_000])];
const tokenizer = {
  version: '1.0',
  normalizer: null,
  pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always', split: true },
  post_processor: null,
  decoder: null,
  added_tokens: ['<s>', '<pad>', '</s>', '<unk>'].map((content, id) => ({
    ...{ id, content, special: true, normalized: false },
    ...{ single_word: false, lstrip: false, rstrip: false },
  })),
  model: { type: 'Unigram', unk_id: 3, vocab },
};
const source = (json = tokenizer) => ({
  folder: '/model',
  files: new Map([
    ['tokenizer.json', Buffer.from(JSON.stringify(json))],
    ['tokenizer_config.json', Buffer.from('{"tokenizer_class":"XLMRobertaTokenizer"}')],
  ]),
  tokenizerClass: 'XLMRobertaTokenizer',
  positions: 12,
  doLowerCase: false,
});
const texts = ['w1 w2 nothing', '', Array.from({ length: 30 }, (_, i) => `w${i.toString(36)}`).join(' '), 'wzz'];
const listed = async (pieces) => {
  const all = [];
  for await (const one of pieces) all.push(one);
  return all;
};
const told = (error) => `${error.code}: ${error.message}`;

const tries = {
  /** As in the caller's thread, where nothing is made. */
  async same() {
    const tokeniser = await Tokeniser.open(source());
    const { made } = seen;
    const here = await DirectTokenizer.open({ encoderConfig: {}, rows: Infinity, ...source(), kind: 'of files' });
    const { ids, offsets, cut } = await tokeniser.encodeLimited(texts, 12);
    const { longer, ...encoded } = await here.encode(texts, false);
    deepStrictEqual({ ids, offsets }, encoded);
    deepStrictEqual(cut, longer);
    deepStrictEqual(await listed(tokeniser.tokens(texts, true)), await here.tokens(texts, true));
    deepStrictEqual(await tokeniser.ready(), await here.ready());
    const left = await tokeniser.encodeLimited(texts, 8, 'left');
    return { threads: seen.threads.length, made, cut, left: [...left.ids.slice(-8)], size: tokeniser.vocabularySize };
  },
  /** What it owes comes, then its thread ends. */
  async closed() {
    const tokeniser = await Tokeniser.open(source());
    tokeniser.share();
    tokeniser.close();
    await tokeniser.encode(texts, 12);
    const owed = tokeniser.encode(texts, 12);
    await new Promise(setImmediate);
    tokeniser.close();
    const { ids } = await owed;
    const after = await tokeniser.encode(texts, 12).catch(told);
    return { ids: ids.length, end: await seen.threads[0].ended, after };
  },
  /** Read again in the caller's thread, which tells what is wrong. */
  async faulty() {
    const error = await Tokeniser.open(
      source({ ...tokenizer, model: { ...tokenizer.model, vocab: [...vocab, ['z', 'x']] } }),
    ).catch(told);
    return { threads: seen.threads.length, end: await seen.threads[0].ended, told: error };
  },
  /** A thread that is gone is told to who waits. */
  async lost() {
    const tokeniser = await Tokeniser.open(source());
    const waits = tokeniser.encode(texts, 12).catch(told);
    await seen.threads[0].terminate();
    return { waits: await waits, later: await tokeniser.encode(texts, 12).catch(told) };
  },
  /** Nobody has it any longer. */
  async unreachable() {
    await (async () => (await Tokeniser.open(source())).encode(texts, 12))();
    let end;
    void seen.threads[0].ended.then((word) => {
      end = word;
    });
    for (let turn = 0; end === undefined && turn < 500; ++turn) {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return { end };
  },
  /** Where no thread may be started. */
  async forbidden() {
    const tokeniser = await Tokeniser.open(source());
    const { ids } = await tokeniser.encode(texts, 12);
    return { threads: seen.threads.length, made: seen.made, ids: ids.length };
  },
};

// An idle thread does not keep the process.
void tries[process.argv[2]]().then((found) => console.log(JSON.stringify(found)));
