import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PushedFile } from './folder';

/** Small files that are pushed otherwise than the folder has them; the folder itself is left as it is. */
export class Aside {
  #folder: string | undefined;

  async write(path: string, text: string): Promise<PushedFile> {
    this.#folder ??= await mkdtemp(join(tmpdir(), 'vectune-push-'));
    const file = join(this.#folder, path);
    await writeFile(file, text);
    return { path, file, bytes: (await stat(file)).size };
  }

  async remove(): Promise<void> {
    if (this.#folder !== undefined) await rm(this.#folder, { recursive: true, force: true });
  }
}
