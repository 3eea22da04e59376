/** Work that yields after each small piece, some milliseconds at most. */
export type Turns<T> = Generator<void, T, void>;

/** The result, without a pause. */
export function atOnce<T>(work: Turns<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value as T;
  }
}

/** The result, with a turn for the event loop after each piece; `check` throws if the work is to stop. */
export async function inTurns<T>(work: Turns<T>, check: () => void): Promise<T> {
  for (;;) {
    check();
    const { done, value } = work.next();
    if (done === true) return value as T;
    await new Promise(setImmediate);
  }
}

/** Rows, texts or the like that are looked at in one turn, where each takes a microsecond or so. */
export const AT_ONCE = 4096;
