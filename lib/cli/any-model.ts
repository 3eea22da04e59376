import { existsSync } from 'node:fs';
import { EmbeddingsEndpoint } from '../embed/endpoint';
import type { EmbeddingModel } from '../evaluate/embedding';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import { TextVectorisation } from '../text-vectorisation';
import type { TextVectorisationOptions } from '../text-vectorisation-options';

/** A model that a command was given, and what frees it. */
export interface AnyModel {
  model: EmbeddingModel;
  /** What is worth knowing of it once it has embedded: that it was trained with prompts, and got none. */
  notes(): Promise<string[]>;
  dispose(): Promise<void>;
}

export const isAddress = (named: string): boolean => /^https?:\/\//i.test(named);

/**
 * A hub id (with a revision as `owner/name@revision`) or folder, or an address of embeddings as
 * `https://host/v1/embeddings#name`.
 *
 * @param own names of options that were given by a path of their own: of one of two models
 * @throws InvalidArgumentError ERR_INVALID_OPTION: an option of a model for an address, or two revisions
 */
export function openAny(
  named: string,
  options: TextVectorisationOptions,
  own: Readonly<Record<string, string>> = {},
): AnyModel {
  if (isAddress(named)) {
    const { onProgress: _, ...given } = options;
    const name = Object.keys(given).find((one) => given[one as keyof typeof given] !== undefined);
    if (name !== undefined) {
      throw new InvalidArgumentError(
        'ERR_INVALID_OPTION',
        say`${option(own[name] ?? name)} is for a model that is opened here, but ${named} is the address of a server.`,
        { remedy: say`Leave it out.` },
      );
    }
    return {
      model: new EmbeddingsEndpoint(named),
      notes: () => Promise.resolve([]),
      dispose: () => Promise.resolve(),
    };
  }
  const [, id = named, revision] = existsSync(named) ? [] : (/^([^@\s]+)@([\w./-]+)$/.exec(named) ?? []);
  if (revision !== undefined && options.revision !== undefined) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('revision')} is ${options.revision}, but ${named} names ${revision}.`,
      { remedy: say`Give one of them.` },
    );
  }
  const model = new TextVectorisation(id, { ...options, ...(revision !== undefined && { revision }) });
  return {
    model,
    notes: async () => {
      const { notes } = await model.info();
      return notes.map((note) => inFlags.reduce((told, [words, flags]) => told.replace(words, flags), note));
    },
    dispose: () => model.dispose(),
  };
}

/** What `info().notes` advises a program, and the same in flags. */
const inFlags: readonly (readonly [string, string])[] = [
  ['use embedQueries and embedDocuments, or the option prompt', 'give --prompt, or --query-prompt and --corpus-prompt'],
  ['put it before them', 'give it as --query-prompt'],
];
