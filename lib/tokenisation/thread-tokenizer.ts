import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { StateError } from '../system/errors';
import { assembled, type ReadyFrame, type ReadyPart } from './ready-parts';
import type { EncodedTexts, PlacedTokens, TextTokenizer, TokenizerFacts, TokenizerSource } from './text-tokenizer';
import type { ReadyTokenizer } from './tokenizer-json';
import type { TokenizerAnswer, TokenizerCall, TokenizerQuestion } from './tokenizer-worker';

/** Beside this file once it is compiled. */
const threadFile = join(__dirname, 'tokenizer-worker.js');

/** The end of the thread of a tokenizer that nobody has any longer. */
const unreachable = new FinalizationRegistry<Worker>((worker) => void worker.terminate());

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** A tokenizer in a thread of its own, which keeps the process alive only while it owes an answer. */
export class ThreadTokenizer implements TextTokenizer {
  readonly facts: TokenizerFacts;
  readonly #answers: Answers;

  private constructor(worker: Worker, answers: Answers, facts: TokenizerFacts) {
    this.#answers = answers;
    this.facts = facts;
    unreachable.register(this, worker);
  }

  /**
   * Undefined where there can be no thread, or where it could not make the tokenizer: made in the caller's thread it says
   * what is wrong.
   */
  static async open(source: TokenizerSource): Promise<ThreadTokenizer | undefined> {
    if (!existsSync(threadFile)) return undefined;
    let worker: Worker;
    try {
      // Without the flags of this process: they are for its own main program (--import, --inspect).
      worker = new Worker(threadFile, { workerData: source, execArgv: [], stdin: false });
    } catch {
      return undefined; // as where --permission forbids threads
    }
    const answers = new Answers(worker);
    try {
      return new ThreadTokenizer(worker, answers, await answers.facts());
    } catch {
      await worker.terminate();
      return undefined;
    }
  }

  async ready(): Promise<ReadyTokenizer> {
    const frame = await this.#answers.ask<ReadyFrame>({ method: 'ready' });
    return assembled(frame, (part) => this.#answers.ask<ReadyPart>({ method: 'part', ...part }));
  }

  encode(texts: readonly string[], whole: boolean): Promise<EncodedTexts> {
    return this.#answers.ask({ method: 'encode', texts, flag: whole });
  }

  tokens(texts: readonly string[], addSpecialTokens: boolean): Promise<PlacedTokens[]> {
    return this.#answers.ask({ method: 'tokens', texts, flag: addSpecialTokens });
  }

  close(): void {
    unreachable.unregister(this);
    this.#answers.close();
  }
}

/** What the thread still owes. The thread's handlers know this and not the tokenizer, which may be let go meanwhile. */
class Answers {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #ended: Error | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker
      .on('message', (answer: TokenizerAnswer) => {
        const number = 'facts' in answer ? FACTS : answer.number;
        const waiting = this.#waiting.get(number);
        this.#waiting.delete(number);
        if (this.#waiting.size === 0) worker.unref();
        if (this.#waiting.size === 0 && this.#ended !== undefined) void worker.terminate();
        if ('facts' in answer) waiting?.resolve(answer.facts as never);
        else if ('message' in answer) waiting?.reject(new Error(answer.message));
        else waiting?.resolve(answer.value as never);
      })
      .on('error', (error) => this.#end(error))
      .on('exit', () => this.#end(new Error("the tokenizer's thread has ended")));
  }

  facts(): Promise<TokenizerFacts> {
    return this.#wait(FACTS);
  }

  ask<T>(call: TokenizerCall): Promise<T> {
    const number = ++this.#asked;
    const answer = this.#wait<T>(number);
    if (this.#ended === undefined) this.#worker.postMessage({ ...call, number } satisfies TokenizerQuestion);
    return answer;
  }

  #wait<T>(number: number): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#worker.ref();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
    });
  }

  /** Ends the thread, once it owes nothing. */
  close(): void {
    this.#ended ??= new StateError('ERR_DISPOSED', 'The tokenizer was closed.');
    if (this.#waiting.size === 0) void this.#worker.terminate();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

/** The number under which the facts come. */
const FACTS = 0;
