import { execFile } from 'node:child_process';

export interface ChildResult {
  stdout: string;
  stderr: string;
}

export interface ChildOptions {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  environment?: NodeJS.ProcessEnv | undefined;
}

/** Why a program did not end well. */
export class ChildError extends Error {
  override readonly name = 'ChildError';
  constructor(
    message: string,
    /** The program is not there. */
    readonly missing: boolean,
    /** Name of the signal that ended it; null where it exited by itself. */
    readonly endedBy: NodeJS.Signals | null,
    readonly stderr: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Runs a program without a shell and waits for its end. Rejects with ChildError unless it exits with 0. */
export function runChild(program: string, args: readonly string[], options: ChildOptions = {}): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      {
        maxBuffer: 1 << 26,
        windowsHide: true,
        ...(options.environment && { env: options.environment }),
        ...(options.signal && { signal: options.signal }),
        ...(options.timeoutMs && { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
      },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve({ stdout, stderr });
          return;
        }
        const missing = error.code !== undefined && (error.code as unknown) === 'ENOENT';
        const why = missing
          ? `${program} is not on this machine`
          : error.signal
            ? `${program} was ended by ${error.signal}`
            : `${program} failed with ${String(error.code)}`;
        reject(new ChildError(why, missing, error.signal ?? null, stderr, { cause: error }));
      },
    );
  });
}
