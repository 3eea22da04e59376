import { InvalidArgumentError, StateError } from '../system/errors';
import { show } from '../system/options';
import { loadedModel, TextVectorisation, type LoadedModel } from '../text-vectorisation';

/** A model under its name, with those who are using it. */
export class ServedModel {
  #leases = 0;
  #whenUnused: (() => void)[] = [];

  constructor(
    readonly name: string,
    readonly tv: TextVectorisation,
    readonly loaded: LoadedModel,
    /** Seconds since 1970. */
    readonly created: number,
  ) {}

  /** Loads the model. Rejects as TextVectorisation's `load` does. */
  static async load(name: string, tv: TextVectorisation): Promise<ServedModel> {
    return new ServedModel(name, tv, await loadedModel(tv, 'serve'), Math.floor(Date.now() / 1000));
  }

  /** To be released when its vectors are there. */
  lease(): () => void {
    ++this.#leases;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#leases === 0) for (const resolve of this.#whenUnused.splice(0)) resolve();
    };
  }

  /** Resolves when nobody holds a lease; for one that nobody can lease any more. */
  unused(): Promise<void> {
    return this.#leases === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenUnused.push(resolve));
  }
}

/** What `createServer` takes: one model, under its own id, or several under names. */
export type Models = TextVectorisation | Readonly<Record<string, TextVectorisation>>;

/** The models by name as they were given; undefined is the name of one that goes by its own id. */
export function checkModels(models: unknown): [string | undefined, TextVectorisation][] {
  if (models instanceof TextVectorisation) return [[undefined, models]];
  if (typeof models !== 'object' || models === null || Array.isArray(models)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `createServer takes a TextVectorisation, or an object of them by name, but was given ${show(models)}.`,
    );
  }
  const entries = Object.entries(models);
  if (entries.length === 0) throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', 'createServer was given no model.');
  return entries.map(([name, model]) => [name, checkModel(name, model)]);
}

export function checkModel(name: string, model: unknown): TextVectorisation {
  if (model instanceof TextVectorisation) return model;
  throw new InvalidArgumentError(
    'ERR_INVALID_ARGUMENT',
    `The model "${name}" must be a TextVectorisation, but is ${show(model)}.`,
  );
}

/** The models of a server; the first is the one that is meant where a request names none. */
export class ServedModels {
  readonly #byName = new Map<string, ServedModel>();

  add(model: ServedModel): void {
    this.#byName.set(model.name, model);
  }

  get all(): readonly ServedModel[] {
    return [...this.#byName.values()];
  }

  get(name: string | null | undefined): ServedModel | undefined {
    return name === null || name === undefined ? this.all[0] : this.#byName.get(name);
  }

  /** Puts another model in the place of one; gives the one that was there. */
  replace(model: ServedModel): ServedModel {
    const old = this.#byName.get(model.name);
    if (old === undefined) throw this.unknown(model.name);
    this.#byName.set(model.name, model);
    return old;
  }

  unknown(name: string): StateError | InvalidArgumentError {
    if (this.#byName.size === 0)
      return new StateError('ERR_BUSY', 'The server has no models yet: await listen() first.');
    const names = this.all.map((model) => `"${model.name}"`).join(', ');
    return new InvalidArgumentError('ERR_INVALID_ARGUMENT', `The server has no model "${name}". It has: ${names}.`);
  }
}
