import { join } from 'node:path';
import { cacheRoot } from '../system/cache-root';

/** Where vectune keeps the LibTorch releases that it installed. */
export function libtorchCache(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheRoot(environment), 'libtorch');
}

/** Where one release is kept. */
export function releaseFolder(version: string, environment: NodeJS.ProcessEnv = process.env): string {
  return join(libtorchCache(environment), version);
}

/** Where the verdicts of probes and the markers of loads are kept. */
export function verdictCache(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheRoot(environment), 'probes');
}
