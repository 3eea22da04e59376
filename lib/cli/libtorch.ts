import { SingleBar } from 'cli-progress';
import { Argument, type Command } from 'commander';
import { InvalidArgumentError, LibTorchError } from '../system/errors';
import { findAddons, preferredVersion } from '../engine/addons';
import { megabytes } from '../system/disk';
import { releaseFolder } from '../libtorch/cache';
import type { LibTorchEvent } from '../libtorch/events';
import { listLibTorch } from '../libtorch/find';
import { installLibTorch, removeLibTorch } from '../libtorch/install';
import { releases } from '../libtorch/table';
import { animates } from './terminal';

/** `vectune libtorch install | remove | path`. */
export function registerLibTorch(program: Command): void {
  const libtorch = program.command('libtorch').description('Install, remove or find LibTorch.');
  const version = new Argument('[version]', 'version of LibTorch; default: the one that the engine is for');
  libtorch
    .command('install')
    .description("Install LibTorch in vectune's cache, through this machine's pip or from what --from names.")
    .addArgument(version)
    .option('--from <source>', 'a folder, an archive (zip, wheel, tar) or an address of one')
    .option('--sha256 <hash>', 'SHA-256 that the archive must have')
    .option('--cuda', "with CUDA's libraries; default where there is an NVIDIA driver")
    .option('--cpu', "without CUDA's libraries")
    .option('--headers', 'install the header files too, to build the engine')
    .action(install);
  libtorch
    .command('remove')
    .description("Remove a LibTorch, and broken downloads, from vectune's cache.")
    .addArgument(version)
    .action(remove);
  libtorch.command('path').description('Print the folder of the LibTorch that would be used.').action(path);
}

interface InstallFlags {
  from?: string;
  sha256?: string;
  cuda?: boolean;
  cpu?: boolean;
  headers?: boolean;
}

async function install(named: string | undefined, flags: InstallFlags): Promise<void> {
  if (flags.cuda && flags.cpu) {
    throw new InvalidArgumentError('ERR_INVALID_OPTION', '--cuda and --cpu ask for opposite things: name one of them.');
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal);
  const display = new InstallDisplay();
  try {
    const version = await versionFrom(named);
    const folder = await installLibTorch({
      version,
      from: flags.from,
      sha256: flags.sha256,
      cuda: flags.cuda ? true : flags.cpu ? false : undefined,
      headers: flags.headers === true,
      signal: stop.signal,
      onEvent: (event) => display.show(event),
    });
    display.end();
    process.stdout.write(`LibTorch ${version}: ${folder.root}\n`);
  } finally {
    display.end();
    process.removeListener('SIGINT', onSignal);
  }
}

/** A bar on a terminal, a line per file elsewhere. */
export class InstallDisplay {
  #bar: SingleBar | undefined;
  #current = '';

  show(event: LibTorchEvent): void {
    switch (event.type) {
      case 'libtorch-resolve':
        this.#line(`asking ${event.source} for LibTorch ${event.version}`);
        break;
      case 'libtorch-download':
        this.#progress(`downloading ${short(event.file)}`, event.receivedBytes, event.totalBytes);
        break;
      case 'libtorch-verify':
        this.#line(`checking SHA-256 of ${short(event.file)}`);
        break;
      case 'libtorch-unpack':
        this.#progress(`unpacking ${short(event.file)}`, event.unpackedBytes, event.totalBytes);
        break;
      case 'libtorch-installed':
        this.end();
        break;
    }
  }

  end(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    this.#current = '';
  }

  #line(text: string): void {
    if (text === this.#current) return;
    this.end();
    this.#current = text;
    process.stderr.write(`  ${text}\n`);
  }

  #progress(text: string, done: number, total: number | undefined): void {
    if (!animates(process.stderr) || total === undefined) {
      this.#line(total === undefined ? text : `${text} (${megabytes(total)})`);
      return;
    }
    if (text !== this.#current) {
      this.end();
      this.#current = text;
      const format = '  {task} [{bar}] {percentage} % of {size}, {eta_formatted} to go';
      this.#bar = new SingleBar({ format, barsize: 24, hideCursor: true, stream: process.stderr });
      this.#bar.start(total, done, { task: text, size: megabytes(total) });
    }
    this.#bar?.update(done);
  }
}

/** A wheel's name and version; the rest of its file's name does not fit beside a bar. */
function short(file: string): string {
  return /^([^-]+-[^-]+)-.*\.whl$/.exec(file)?.[1] ?? file;
}

async function remove(named: string | undefined): Promise<void> {
  const version = await versionFrom(named);
  const removed = await removeLibTorch(version);
  const folder = releaseFolder(version);
  process.stdout.write(removed ? `removed ${folder}\n` : `there is nothing in ${folder}\n`);
}

/** Without an engine, as in a clone that is being set up, that of the reference. */
async function versionFrom(named: string | undefined): Promise<string> {
  return named ?? preferredVersion(await findAddons().catch(() => undefined));
}

async function path(): Promise<void> {
  const versions = releases().map((release) => release.version);
  const candidates = await listLibTorch({ versions });
  const usable = candidates.find(({ rejected }) => rejected === undefined);
  if (usable?.found === undefined) {
    throw new LibTorchError('ERR_LIBTORCH_MISSING', 'No LibTorch was found. See: npx vectune doctor');
  }
  process.stdout.write(`${usable.found.root}\n`);
}
