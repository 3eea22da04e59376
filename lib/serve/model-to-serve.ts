import { inputLength } from '../finetune/trainable-model';
import { promptText } from '../model/prompts';
import type { OpenedModel } from '../model/types';
import { InvalidArgumentError } from '../system/errors';
import { custom, required, resolveTable, type OptionsOf, type ResolvedOf } from '../system/option-table';
import { show } from '../system/options';
import { option, say } from '../system/wording';
import { TextVectorisation } from '../text-vectorisation';
import { embedTable } from '../text-vectorisation-options';

const { prompt, dimensions, maxInputLength } = embedTable;

const modelToServeTable = {
  /** The model; several names may have the same one. */
  model: required(
    custom<TextVectorisation>('program', (path, value) => {
      if (value instanceof TextVectorisation) return value;
      throw new InvalidArgumentError(
        'ERR_INVALID_ARGUMENT',
        `${path} must be a TextVectorisation, but is ${show(value)}.`,
      );
    }),
  ),
  /**
   * What is put before every text where a request does not say: the name of one of the model's prompts, or a text of your
   * own, which has a space or a colon in it; '' for nothing. A model of two prompts is served under two names.
   */
  prompt,
  /** How many numbers of each vector to give where a request does not say. Default: all, or the folder's `truncate_dim`. */
  dimensions,
  /** Most tokens of a text, special tokens included. Default: the model folder's limit. */
  maxInputLength,
};

/** A model and what it is served with. */
export interface ModelToServe extends OptionsOf<typeof modelToServeTable> {}

/** As it is served: every option, by its default where it was left out. */
export type GivenModel = ResolvedOf<typeof modelToServeTable>;

/** @throws InvalidArgumentError: no model; an option */
export function checkModel(name: string | undefined, given: unknown): GivenModel {
  const called = name === undefined ? 'The model' : `The model "${name}"`;
  if (given instanceof TextVectorisation)
    return { model: given, prompt: undefined, dimensions: undefined, maxInputLength: null };
  if (typeof given !== 'object' || given === null) {
    throw new InvalidArgumentError(
      'ERR_INVALID_ARGUMENT',
      `${called} must be a TextVectorisation, or an object with one as its model, but is ${show(given)}.`,
    );
  }
  return resolveTable(modelToServeTable, given, { name: called, path: '' });
}

/** What a model is served with, by what its folder says. @throws InvalidArgumentError for what the model does not have */
export function settingsOf(
  opened: OpenedModel,
  given: GivenModel,
): { prompt: string; dimensions: number; maxInputLength: number } {
  const asked = given.dimensions ?? opened.dimension;
  if (asked > opened.width) {
    throw new InvalidArgumentError(
      'ERR_INVALID_OPTION',
      say`${option('dimensions')} must be an integer from 1 to ${opened.width} (what ${opened.id} gives), but is ${asked}.`,
    );
  }
  return {
    prompt: promptText(opened, given.prompt),
    dimensions: asked,
    maxInputLength: inputLength(given.maxInputLength, opened),
  };
}
