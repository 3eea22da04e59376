import { stat } from 'node:fs/promises';
import { LibTorchError } from '../errors';
import type { EngineInfo } from './addon';
import { ChildError, runChild } from './child';
import { libraryFile } from './platform';
import { VerdictStore, type ProbeSubject, type Verdict } from './verdicts';

/** Runs in the child: maps the libraries, loads the engine, prints what it says as the last line. */
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
 * files' paths, sizes and times, so that this is done once for each library and addon.
 *
 * @throws LibTorchError ERR_LIBTORCH_LOAD: it cannot be loaded; ERR_LIBTORCH_VERSION: the engine refuses it.
 */
export async function probe(request: ProbeRequest, store: VerdictStore): Promise<Verdict> {
  const subject = await subjectOf(request);
  const known = await store.read(subject);
  if (known !== undefined) return known;
  const verdict = await runProbe(request);
  await store.write(subject, verdict);
  return verdict;
}

/** What a verdict holds for. */
export async function subjectOf(request: Omit<ProbeRequest, 'environment' | 'signal'>): Promise<ProbeSubject> {
  const libraries = ['torch_cpu', 'c10', ...(request.cuda ? ['torch_cuda'] : [])].map((name) => `${request.libDir}/${libraryFile(name)}`);
  const files = [request.loader, request.engine, ...libraries];
  const identities = files.map(async (path) => {
    const found = await stat(path).catch(() => undefined);
    return { path, bytes: found?.size ?? -1, changedMs: found?.mtimeMs ?? -1 };
  });
  return { files: await Promise.all(identities), cuda: request.cuda, addonVersion: request.addonVersion };
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
