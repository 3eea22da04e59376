import { hubIdOf } from '../model/fetch/resolve';
import { kindLength, unservedPromptNote, type TextKind } from '../model/prompts';
import { InvalidArgumentError } from '../system/errors';
import { show } from '../system/options';
import { ofModel, TextVectorisation } from '../text-vectorisation';
import type { LoadedModel } from '../text-vectorisation/loaded-model';
import { checkModel, settingsOf, type GivenModel, type ModelToServe } from './model-to-serve';

/** A model under its name, with those who are using it. */
export class ServedModel {
  #leases = 0;
  #whenUnused: (() => void)[] = [];
  readonly tv: TextVectorisation;
  /** Put before every text where a request does not say. */
  readonly prompt: string;
  /** Numbers of a vector where a request does not say. */
  readonly dimensions: number;
  /** Most tokens of a text of no kind. */
  readonly maxInputLength: number;
  /** What it is served with goes before the folder's limits of queries and documents. */
  readonly #limited: boolean;
  /** What people should know of how it is served. */
  readonly notes: readonly string[];

  private constructor(
    readonly name: string,
    given: GivenModel,
    readonly loaded: LoadedModel,
    /** Seconds since 1970. */
    readonly created: number,
  ) {
    const { opened } = loaded;
    const { prompt, dimensions, maxInputLength } = settingsOf(opened, given);
    this.tv = given.model;
    this.prompt = prompt;
    this.dimensions = dimensions;
    this.maxInputLength = maxInputLength;
    this.#limited = given.maxInputLength !== null;
    const without = prompt === '' && given.prompt === undefined ? unservedPromptNote(opened) : undefined;
    this.notes = [...opened.layout.notes, ...(without === undefined ? [] : [without])];
  }

  /** Loads the model. Rejects as TextVectorisation's `load` does; InvalidArgumentError for what the model does not have. */
  static async load(name: string | undefined, given: GivenModel): Promise<ServedModel> {
    const loaded = await ofModel.loaded(given.model, 'serve');
    return new ServedModel(name ?? loaded.opened.id, given, loaded, Math.floor(Date.now() / 1000));
  }

  /** Most tokens of a text of a kind, as `embedQueries` and `embedDocuments` have it. */
  lengthOf(kind: TextKind | null | undefined): number {
    const own = this.#limited ? null : kindLength(this.loaded.opened, kind ?? undefined);
    return own ?? this.maxInputLength;
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

/** What `createServer` takes: one model, under its own id, or several under names, each with what it is served with. */
export type Models = TextVectorisation | ModelToServe | Readonly<Record<string, TextVectorisation | ModelToServe>>;

/** The models by name as they were given; undefined is the name of one that goes by its own id. */
export function checkModels(models: unknown): [string | undefined, GivenModel][] {
  if (models instanceof TextVectorisation) return [[undefined, checkModel(undefined, models)]];
  if (typeof models !== 'object' || models === null || Array.isArray(models)) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `createServer takes a TextVectorisation, or an object of them by name, but was given ${show(models)}.`,
    );
  }
  const entries = Object.entries(models);
  // What one model is served with is texts and numbers; behind names there are none.
  if (Object.hasOwn(models, 'model') && entries.some(([, value]) => ['string', 'number'].includes(typeof value)))
    return [[undefined, checkModel(undefined, models)]];
  if (entries.length === 0) throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', 'createServer was given no model.');
  return entries.map(([name, model]) => [name, checkModel(name, model)]);
}

/** The models of a server; the first is the one that is meant where a request names none. */
export class ServedModels {
  readonly #byName = new Map<string, ServedModel>();

  get all(): readonly ServedModel[] {
    return [...this.#byName.values()];
  }

  /** The model of a name as it is, else of the hub id that is meant by it where a model is opened (`all-MiniLM-L6-v2`). */
  get(name: string | null | undefined): ServedModel | undefined {
    if (name === null || name === undefined) return this.all[0];
    return this.#byName.get(name) ?? this.#byName.get(hubIdOf(name));
  }

  /** @throws InvalidArgumentError: there is one of the name */
  add(model: ServedModel): void {
    this.mustLack(model.name);
    this.#byName.set(model.name, model);
  }

  /** Puts another model in the place of one; gives the one that was there. */
  replace(model: ServedModel): ServedModel {
    const old = this.must(model.name);
    this.#byName.set(model.name, model);
    return old;
  }

  /** Takes a model out; gives it. @throws InvalidArgumentError: it is not there, or the last one */
  remove(name: string): ServedModel {
    const model = this.must(name);
    if (this.#byName.size === 1) {
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `"${name}" is the server's only model: add another one first, or close the server.`,
      );
    }
    this.#byName.delete(model.name);
    return model;
  }

  /** @throws InvalidArgumentError: there is none of the name */
  must(name: string): ServedModel {
    const model = this.get(name);
    if (model !== undefined) return model;
    const names = this.all.map((one) => `"${one.name}"`).join(', ');
    throw new InvalidArgumentError('ERR_INVALID_ARGUMENT', `The server has no model "${name}". It has: ${names}.`);
  }

  /** @throws InvalidArgumentError: there is one of the name */
  mustLack(name: string): void {
    if (!this.#byName.has(name)) return;
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `The server has a model "${name}" already: swap puts another in its place.`,
    );
  }
}
