import { parentPort, workerData } from 'node:worker_threads';
import { DirectTokenizer } from './direct-tokenizer';
import { ReadyParts, type PartRequest, type ReadyFrame, type ReadyPart } from './ready-parts';
import type { EncodedTexts, PlacedTokens, TokenizerFacts, TokenizerSource } from './text-tokenizer';

/** What the thread is asked for; `flag` is `encode`'s `whole`, `tokens`' `addSpecialTokens`. */
export type TokenizerCall =
  | { method: 'encode'; texts: readonly string[]; flag: boolean }
  | { method: 'tokens'; texts: readonly string[]; flag: boolean }
  | { method: 'ready' }
  | ({ method: 'part' } & PartRequest);

/** Answered under the same number. */
export type TokenizerQuestion = TokenizerCall & { number: number };

/** What it answers: first the facts. */
export type TokenizerAnswer =
  | { facts: TokenizerFacts }
  | { number: number; value: EncodedTexts | PlacedTokens[] | ReadyFrame | ReadyPart }
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
  let parts: ReadyParts | undefined;
  const answerTo = async (call: TokenizerCall): Promise<EncodedTexts | PlacedTokens[] | ReadyFrame | ReadyPart> => {
    if (call.method === 'encode' || call.method === 'tokens') return tokenizer[call.method](call.texts, call.flag);
    parts ??= new ReadyParts(await tokenizer.ready());
    return call.method === 'ready' ? parts.frame : parts.part(call);
  };
  port.on('message', ({ number, ...call }: TokenizerQuestion) => {
    answerTo(call).then(
      (of) => answer({ number, value: of }, 'offsets' in of ? [of.ids.buffer, of.offsets.buffer] : []),
      (error: Error) => answer({ number, message: error.message }),
    );
  });
  answer({ facts: tokenizer.facts });
}
void main();
