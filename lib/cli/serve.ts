import type { Command } from 'commander';
import type { Models, ServedRequest, ServeOptions } from '../serve/create-server';
import { InvalidArgumentError } from '../system/errors';
import { TextVectorisation } from '../text-vectorisation';
import { addFlags, typedOptions } from './flags';
import { DownloadDisplay } from './progress';
import { StopSignals } from './stop-signals';
import { modelFlags, serveFlags } from './tables';
import { requireFlags } from './usage';

interface Flags {
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
  addFlags(command, modelFlags);
  addFlags(command, serveFlags)
    .option('--log-requests', 'a line of JSON on standard output for every request')
    .addHelpText(
      'after',
      '\nKeys that requests must bring: VECTUNE_API_KEYS=key1,key2. Ctrl-C or SIGTERM: answers what was accepted, and ends.',
    )
    .action(serve);
}

async function serve(flags: Flags, command: Command): Promise<void> {
  const download = new DownloadDisplay();
  const options = { ...typedOptions(command, modelFlags), onProgress: download.show.bind(download) };
  const named = flags.model.map(namedModel);
  checkNames(named.map(([name]) => name));
  const opened = named.map(([name, source]) => [name, new TextVectorisation(source, options)] as const);
  const [only] = opened;
  const models: Models =
    opened.length === 1 && only![0] === undefined
      ? only![1]
      : Object.fromEntries(opened.map(([name, tv]) => [name!, tv]));
  // Only who serves loads what it takes to serve.
  const { createServer } = await import('../serve/create-server.js');
  const server = createServer(models, {
    ...(typedOptions(command, serveFlags) as ServeOptions),
    ...(flags.logRequests && { onRequest: logRequest }),
  });
  const stop = new StopSignals();
  const stopped = new Promise<void>((resolve) =>
    stop.signal.addEventListener('abort', () => resolve(), { once: true }),
  );
  try {
    const listening = server.listen();
    listening.catch(() => undefined); // a signal may come first
    const address = await Promise.race([listening, stopped]);
    download.end();
    if (address !== undefined) {
      process.stderr.write(`${address}\n`);
      if (!server.asksForKey && !/^http:\/\/(?:127\.|localhost|\[::1\])/.test(address)) {
        process.stderr.write('Whoever reaches this address can use it. VECTUNE_API_KEYS=key1,key2 asks for a key.\n');
      }
      await stopped;
    }
    process.exitCode = stop.exitCode;
    await server.close();
  } finally {
    await server.close();
    stop.release();
    download.end();
    await Promise.all(opened.map(([, tv]) => tv.dispose()));
  }
}

/** `name=folder`, or a folder or id alone. */
function namedModel(given: string): [string | undefined, string] {
  const [, name, source] = /^([\w.:-]+)=(.+)$/.exec(given) ?? [];
  return name === undefined ? [undefined, given] : [name, source!];
}

function checkNames(names: readonly (string | undefined)[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (names.length > 1 && names.includes(undefined)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      'Several models need a name each: --model base=all-MiniLM-L6-v2 tuned=./my-model.',
    );
  }
  if (twice !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      `Two models have the name "${twice}": --model gives each its own.`,
    );
  }
}

function logRequest(request: ServedRequest): void {
  const { error, milliseconds, ...rest } = request;
  const line = {
    time: new Date().toISOString(),
    ...rest,
    milliseconds: Number(milliseconds.toFixed(2)),
    ...(error !== undefined && { error: String(error) }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
