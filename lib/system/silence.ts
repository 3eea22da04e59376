import { proxiedFetch } from './proxy';

/** How long a server may be silent, in milliseconds, before it counts as gone. */
export const MAX_SILENCE_MS = 30_000;

/** A request whose body takes long to send: `sent` is set by who waits, and to be called as the body goes. */
export interface Upload {
  sent?: () => void;
}

/** fetch, through the proxy if there is one, with a bound on how long the server may take to answer; the body has its own (`unlessSilent`). */
export async function fetchUnlessSilent(
  input: Parameters<typeof fetch>[0],
  init: RequestInit = {},
  silenceMs = MAX_SILENCE_MS,
  environment: NodeJS.ProcessEnv = process.env,
  upload: Upload = {},
): Promise<Response> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`no answer in ${seconds(silenceMs)}`)), silenceMs);
  upload.sent = () => void timer.refresh();
  try {
    const signal = init.signal ? AbortSignal.any([silence.signal, init.signal]) : silence.signal;
    return await proxiedFetch(input, { ...init, signal }, environment);
  } finally {
    clearTimeout(timer);
  }
}

/** The chunks of a body; fails where the next one takes too long. */
export async function* unlessSilent(
  body: AsyncIterable<Uint8Array>,
  silenceMs = MAX_SILENCE_MS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = body[Symbol.asyncIterator]();
  let over = false;
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        const error = new Error(`nothing came for ${seconds(silenceMs)}`);
        timer = setTimeout(() => reject(error), silenceMs);
      });
      const next = await Promise.race([iterator.next(), silence]).finally(() => clearTimeout(timer));
      over = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Not awaited: a connection that is stuck would never answer.
    if (!over) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

function seconds(ms: number): string {
  return `${ms / 1000} seconds`;
}
