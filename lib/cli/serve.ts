import type { Command } from 'commander';
import type { ServedRequest, ServeOptions, VectuneServer } from '../serve/create-server';
import { FailureLog } from './failure-log';
import { addFlags, typedOptions } from './flags';
import { DownloadDisplay } from './download-display';
import { namedModels, settingsByModel, type ByModel } from './named-models';
import { ServedModels } from './served-models';
import { StopSignals } from './stop-signals';
import { modelFlags, serveFlags } from './tables';
import { TerminalLoss } from './terminal-loss';
import { requireFlags } from './usage';

interface Flags extends ByModel {
  model: string[];
  logRequests?: boolean;
}

/** `vectune serve --model [name=]<id|folder> …`: models behind HTTP until a signal comes; then what was accepted is answered. */
export function registerServe(program: Command): void {
  const command = program
    .command('serve')
    .description("Answer HTTP requests for vectors, as OpenAI's API and text-embeddings-inference do.")
    .option('--model <[name=]id|folder...>', 'names on the hub, or folders; several need a name each');
  requireFlags(command, 'model');
  command
    .option(
      '--prompt <[name=]prompt...>',
      "one of the model's prompts by its name, or a text, before every text of a request that names none; name= is one of the models (default: the model's default, mostly none)",
    )
    .option('--dimensions <[name=]n...>', 'numbers of a vector, from the first on (default: all)')
    .option('--max-input-length <[name=]tokens...>', "most tokens of a text (default: the model's own limit)");
  addFlags(command, modelFlags);
  addFlags(command, serveFlags)
    .option('--log-requests', 'a line of JSON on standard output for every request')
    .addHelpText(
      'after',
      '\nKeys that requests must bring: VECTUNE_API_KEYS=key1,key2.' +
        '\nCtrl-C or SIGTERM: answers what was accepted, and ends with 0.' +
        '\nSIGHUP: opens anew the models whose folders have changed; drops no request.',
    )
    .action(serve);
}

async function serve(flags: Flags, command: Command): Promise<void> {
  const download = new DownloadDisplay();
  const named = namedModels(flags.model);
  const served = await ServedModels.open(named, settingsByModel(named, flags), {
    ...typedOptions(command, modelFlags),
    onProgress: download.show.bind(download),
  });
  // Only who serves loads what it takes to serve.
  const { createServer } = await import('../serve/create-server.js');
  const failures = new FailureLog((line) => process.stderr.write(line));
  const server = createServer(served.models, {
    ...(typedOptions(command, serveFlags) as ServeOptions),
    onRequest(request) {
      failures.tell(request);
      if (flags.logRequests) logRequest(request);
    },
  });
  const stop = new StopSignals(['SIGINT', 'SIGTERM']);
  const stopped = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  const reloads = new Reloads(served, server, () => stop.stop('SIGHUP'));
  try {
    const listening = server.listen();
    listening.catch(() => undefined); // a signal may come first
    const address = await Promise.race([listening, stopped]);
    download.end();
    if (address !== undefined) {
      process.stderr.write(`${address}\n`);
      for (const note of server.notes) process.stderr.write(`${note}\n`);
      await stopped;
    }
    await server.close();
  } finally {
    await server.close();
    await reloads.end();
    stop.release();
    download.end();
    await served.dispose();
  }
}

/** Opens models anew at SIGHUP, one time after the other. */
class Reloads {
  readonly #terminal = new TerminalLoss();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(
    readonly served: ServedModels,
    readonly server: VectuneServer,
    readonly onTerminalLost: () => void,
  ) {
    process.on('SIGHUP', this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#terminal.happened) return this.onTerminalLost();
    if (this.server.address === undefined) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  };

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      for (const line of await this.served.reload(this.server)) process.stderr.write(`${line}\n`);
    }
  }

  async end(): Promise<void> {
    this.#again = false;
    process.off('SIGHUP', this.#onSignal);
    await this.#running;
  }
}

function logRequest(request: ServedRequest): void {
  const { error, milliseconds, ...rest } = request;
  const line = {
    time: new Date().toISOString(),
    ...rest,
    milliseconds: Number(milliseconds.toFixed(2)),
    ...(error !== undefined && { error: String(error), stack: error instanceof Error ? error.stack : undefined }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
