import { homedir } from 'node:os';
import { join } from 'node:path';

/** The folder under which vectune keeps what it fetched: VECTUNE_CACHE, or the system's place for caches. */
export function cacheRoot(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment['VECTUNE_CACHE']) return environment['VECTUNE_CACHE'];
  if (environment['XDG_CACHE_HOME']) return join(environment['XDG_CACHE_HOME'], 'vectune');
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'vectune');
  if (process.platform === 'win32') {
    return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'vectune', 'cache');
  }
  return join(homedir(), '.cache', 'vectune');
}
