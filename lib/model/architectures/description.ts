import type { Fields, JsonObject } from '../../system/json';
import type { Shape } from '../encoder-fields/shape';

/** All that TypeScript knows of an architecture. */
export interface Description {
  /** transformers' class, which config.json names in "architectures". */
  modelClass: string;
  /** Other classes of the same computation. */
  otherClasses?: readonly string[];
  /** Architectures that say the same here are one computation: their classes stand for each other. */
  alike?: string;
  /** Whether the model's code may come with it: the architecture is that code's too. */
  ownCode?: boolean;
  /** transformers 5's tokenizer class for folders that name none. */
  tokenizerClass: string;
  /** The one that every release of transformers knows, for folders that are written. */
  writtenTokenizerClass: string;
  /** Module class of sentence-transformers before 0.2.6, when each architecture had one of its own; null: it had none. */
  formerModule: string | null;
  /** Other values of "model_type" that are this architecture. */
  otherTypes?: readonly string[];
  /** Fields that only its configuration has: files of before 2020 may have nothing else to tell it by. */
  ownFields: readonly string[];
  read: (fields: Fields) => Shape;
  /** config.json as it is written, where that is not as it was read. */
  write?: (config: JsonObject, shape: Shape) => JsonObject;
}
