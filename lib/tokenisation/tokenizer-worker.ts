import { parentPort, workerData } from 'node:worker_threads';
import { DirectTokenizer } from './direct-tokenizer';
import type { TextTokenizer, TokenizerFacts, TokenizerSource } from './text-tokenizer';

/** What the thread is asked for: a method of the tokenizer, answered under the same number. */
export interface TokenizerQuestion {
  number: number;
  method: 'ready' | 'encode' | 'tokens';
  texts: readonly string[];
  /** `encode`'s `whole`, `tokens`' `addSpecialTokens`. */
  flag: boolean;
}

/** What it answers: first the facts. */
export type TokenizerAnswer =
  | { facts: TokenizerFacts }
  | { number: number; value: Awaited<ReturnType<TextTokenizer[TokenizerQuestion['method']]>> }
  | { number: number; message: string };

/** The thread in which a tokenizer of a large vocabulary is made and run: only this thread stands still meanwhile. */
async function main(): Promise<void> {
  const port = parentPort!;
  const source = workerData as TokenizerSource;
  // A Buffer arrives as the Uint8Array that it is.
  const files = new Map(
    Array.from(source.files, ([name, { buffer, byteOffset, byteLength }]) => [
      name,
      Buffer.from(buffer, byteOffset, byteLength),
    ]),
  );
  const tokenizer = await DirectTokenizer.open({ ...source, files });
  const answer = (value: TokenizerAnswer, buffers: ArrayBufferLike[] = []) =>
    port.postMessage(value, buffers as ArrayBuffer[]);
  port.on('message', ({ number, method, texts, flag }: TokenizerQuestion) => {
    const value = method === 'ready' ? tokenizer.ready() : tokenizer[method](texts, flag);
    value.then(
      (of) => answer({ number, value: of }, 'offsets' in of ? [of.ids.buffer, of.offsets.buffer] : []),
      (error: Error) => answer({ number, message: error.message }),
    );
  });
  answer({ facts: tokenizer.facts });
}
void main();
