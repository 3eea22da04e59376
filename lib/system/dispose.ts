/// <reference lib="esnext.disposable" preserve="true" />

/** Gives a class `Symbol.asyncDispose`, where this Node has the symbol (from 20.5). */
export function defineAsyncDispose<T extends object>(prototype: T, dispose: (this: T) => Promise<void>): void {
  if (typeof Symbol.asyncDispose !== 'symbol') return;
  Object.defineProperty(prototype, Symbol.asyncDispose, { value: dispose, writable: true, configurable: true });
}
