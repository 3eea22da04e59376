import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Models, ModelToServe, VectuneServer } from '../serve/create-server';
import { TextVectorisation } from '../text-vectorisation';
import type { TextVectorisationOptions } from '../text-vectorisation-options';
import type { NamedModel } from './named-models';

/** A name, and the model behind it now. */
interface Served extends NamedModel {
  settings: Omit<ModelToServe, 'model'>;
  tv: TextVectorisation;
}

function toServe({ settings, tv }: Served): ModelToServe {
  return { ...settings, model: tv };
}

/** How deep the files of a model lie in its folder. */
const DEPTH = 3;

/** What a folder holds, by names, lengths and times; undefined where there is no folder. */
async function stampOf(folder: string): Promise<string | undefined> {
  const found: string[] = [];
  const walk = async (path: string, depth: number): Promise<void> => {
    for (const name of (await readdir(path)).sort()) {
      const inside = join(path, name);
      const entry = await stat(inside);
      if (depth < DEPTH && entry.isDirectory()) await walk(inside, depth + 1);
      else found.push(`${inside} ${entry.size} ${entry.mtimeMs} ${entry.ino}`);
    }
  };
  try {
    const path = await realpath(folder);
    if (!(await stat(path)).isDirectory()) return undefined;
    await walk(path, 0);
  } catch {
    return undefined; // what vanishes meanwhile is told by who loads it
  }
  return found.join('\n');
}

/** The models of `vectune serve`: each source opened once, and opened anew where its folder has changed. */
export class ServedModels {
  readonly #served: Served[];
  readonly #stamps = new Map<string, string | undefined>();

  private constructor(
    served: Served[],
    readonly options: TextVectorisationOptions,
  ) {
    this.#served = served;
  }

  static async open(
    models: readonly NamedModel[],
    settings: readonly Omit<ModelToServe, 'model'>[],
    options: TextVectorisationOptions,
  ): Promise<ServedModels> {
    const bySource = new Map<string, TextVectorisation>();
    const served = models.map((model, i) => {
      const tv = bySource.get(model.source) ?? new TextVectorisation(model.source, options);
      bySource.set(model.source, tv);
      return { ...model, settings: settings[i]!, tv };
    });
    const opened = new ServedModels(served, options);
    for (const source of bySource.keys()) opened.#stamps.set(source, await stampOf(source));
    return opened;
  }

  /** As createServer takes them. */
  get models(): Models {
    const [first] = this.#served;
    if (first!.name === undefined) return Object.keys(first!.settings).length === 0 ? first!.tv : toServe(first!);
    return Object.fromEntries(this.#served.map((one) => [one.name!, toServe(one)]));
  }

  /**
   * Swaps in what has changed in its folder; what cannot be opened is told, and the model that is there stays.
   *
   * @returns what was done, in lines
   */
  async reload(server: VectuneServer): Promise<string[]> {
    const told: string[] = [];
    for (const [source, before] of this.#stamps) {
      const now = await stampOf(source);
      if (now === undefined || now === before) continue;
      const { onProgress: _, ...options } = this.options; // for the start alone
      const next = new TextVectorisation(source, options);
      const old = new Set<TextVectorisation>();
      for (const served of this.#served.filter((one) => one.source === source)) {
        const name = served.name ?? server.models[0]!;
        try {
          old.add(await server.swap(name, toServe({ ...served, tv: next })));
          served.tv = next;
          told.push(`"${name}" is now what ${source} holds`);
          this.#stamps.set(source, now);
        } catch (error) {
          told.push(`"${name}" stays as it was: ${(error as Error).message}`);
        }
      }
      await this.#disposeUnused([next, ...old]);
    }
    return told.length === 0 ? ['no folder of a model has changed'] : told;
  }

  async #disposeUnused(models: readonly TextVectorisation[]): Promise<void> {
    const used = new Set(this.#served.map(({ tv }) => tv));
    await Promise.all(models.filter((tv) => !used.has(tv)).map((tv) => tv.dispose()));
  }

  async dispose(): Promise<void> {
    await Promise.all([...new Set(this.#served.map(({ tv }) => tv))].map((tv) => tv.dispose()));
  }
}
