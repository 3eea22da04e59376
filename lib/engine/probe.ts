import { readFile, realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LibTorchError, ToolError } from '../system/errors';
import type { EngineAddon, EngineInfo } from './addon';
import { ChildError, runChild } from '../system/child';
import { isUtilityProcess, runsAsNode } from '../system/electron';
import type { LoaderAddon } from './loader';
import { libraryFile } from '../system/platform';
import type { ProbeSubject, Verdict, VerdictStore } from './verdicts';

/**
 * Runs in the child: maps the libraries, loads the engine, prints what it says as the last line. With CUDA it asks for the
 * GPUs too, as that starts the driver.
 */
const CHILD = `
const [loader, libDir, engine, cuda] = process.argv.slice(-4);
const told = (result) => process.stdout.write('\\n' + JSON.stringify(result));
require(loader).open(libDir, { cuda: cuda === 'cuda' }).then(async ({ version }) => {
  try {
    const addon = require(engine);
    if (cuda === 'cuda') await addon.devices();
    told({ version, info: addon.info() });
  } catch (error) {
    told({ version, error: error.message, code: error.code });
  }
}, (error) => told({ error: error.message }));
`;

const PROBE_SECONDS = 120;
/** The kernel's part of the driver says here which it is. */
const NVIDIA_DRIVER = '/proc/driver/nvidia/version';

export interface ProbeRequest {
  loader: string;
  engine: string;
  libDir: string;
  cuda: boolean;
  /** Version of this package. */
  addonVersion: string;
  environment?: NodeJS.ProcessEnv | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Loads a LibTorch and the engine in a process of its own, where a crash does no harm. The verdict is kept, by the
 * files' paths, sizes and times, and with CUDA the driver, so that this is done once for each library, addon and driver.
 *
 * An Electron app whose executable cannot do as Node has no such process; there a utility process tries for itself, as
 * it is one that a crash may end, and any other refuses.
 *
 * @throws LibTorchError ERR_LIBTORCH_LOAD: it cannot be loaded; ERR_LIBTORCH_VERSION: the engine refuses it. ToolError
 *   ERR_TOOL_MISSING: no process to try it in.
 */
export async function probe(request: ProbeRequest, store: VerdictStore): Promise<Verdict> {
  const subject = await subjectOf(request);
  const known = await store.read(subject);
  if (known !== undefined) return known;
  const verdict = (await runsAsNode()) ? await runProbe(request) : await tryHere(request, subject, store);
  await store.write(subject, verdict);
  return verdict;
}

/** What a verdict holds for. */
export async function subjectOf(request: Omit<ProbeRequest, 'environment' | 'signal'>): Promise<ProbeSubject> {
  const libraries = ['torch_cpu', 'c10', ...(request.cuda ? ['torch_cuda'] : [])].map(
    (name) => `${request.libDir}/${libraryFile(name)}`,
  );
  const files = [request.loader, request.engine, ...libraries];
  const identities = files.map(async (path) => {
    const found = await stat(path).catch(() => undefined);
    return { path, bytes: found?.size ?? -1, changedMs: found?.mtimeMs ?? -1 };
  });
  const driver = request.cuda ? await readFile(NVIDIA_DRIVER, 'utf8').catch(() => 'unknown') : null;
  return { files: await Promise.all(identities), cuda: request.cuda, driver, addonVersion: request.addonVersion };
}

async function runProbe(request: ProbeRequest): Promise<Verdict> {
  const { loader, engine, libDir, cuda, signal } = request;
  const environment = { ...(request.environment ?? process.env), ELECTRON_RUN_AS_NODE: '1' };
  delete (environment as NodeJS.ProcessEnv)['NODE_OPTIONS'];
  let output: string;
  try {
    const args = ['-e', CHILD, '--', loader, libDir, engine, cuda ? 'cuda' : 'cpu'];
    const options = { environment, signal, timeoutMs: PROBE_SECONDS * 1000 };
    output = (await runChild(process.execPath, args, options)).stdout;
  } catch (error) {
    if (signal?.aborted || !(error instanceof ChildError)) throw error;
    const how = error.endedBy === null ? lastLine(error.stderr) || error.message : `it was ended by ${error.endedBy}`;
    throw cannotLoad(libDir, `the process that tried it did not come to its end: ${how}`, error);
  }
  const told = readAnswer(output);
  if (told.info !== undefined) return { version: told.info.libtorch, info: told.info };
  const why = told.error ?? 'the process that tried it gave no answer';
  if (told.code === 'ERR_LIBTORCH_VERSION') throw new LibTorchError(told.code, why, { file: libDir });
  throw cannotLoad(libDir, why, undefined);
}

/** The files are loaded into this process, to stay. */
async function tryHere(
  { loader, engine, libDir, cuda }: ProbeRequest,
  subject: ProbeSubject,
  store: VerdictStore,
): Promise<Verdict> {
  if (!isUtilityProcess()) {
    // No LibTorchError: another one would fare no better, nor would one that were installed.
    throw new ToolError(
      'ERR_TOOL_MISSING',
      "vectune tries LibTorch in a process of its own first, and this app's executable starts " +
        'none: its fuse RunAsNode is off. Use vectune in a utility process (utilityProcess.fork), or set the fuse to on (@electron/fuses).',
    );
  }
  const opened = require(loader) as LoaderAddon;
  // Two of them in one process crash, and what was tried before stays; `load` tells whose it is.
  const foreign = (await Promise.all(opened.mapped().map((path) => realpath(path).catch(() => path)))).find(
    (path) => dirname(path) !== libDir,
  );
  if (foreign !== undefined) throw cannotLoad(libDir, `this process has mapped ${foreign} already`, undefined);
  return store.marked(subject, async () => {
    try {
      const { version } = await opened.open(libDir, { cuda });
      const addon = require(engine) as Pick<EngineAddon, 'info' | 'devices'>;
      if (cuda) await addon.devices();
      return { version, info: addon.info() };
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (code === 'ERR_LIBTORCH_VERSION') throw new LibTorchError(code, message, { cause: error, file: libDir });
      throw cannotLoad(libDir, message, error);
    }
  });
}

interface Answer {
  version?: string;
  info?: EngineInfo;
  error?: string;
  code?: string;
}

function readAnswer(output: string): Answer {
  try {
    return JSON.parse(lastLine(output)) as Answer;
  } catch {
    return {};
  }
}

function cannotLoad(libDir: string, why: string, cause: unknown): LibTorchError {
  return new LibTorchError('ERR_LIBTORCH_LOAD', `The LibTorch in ${libDir} cannot be loaded: ${why}`, {
    cause,
    file: libDir,
  });
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)!.trim();
}
