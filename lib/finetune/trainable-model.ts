import type { EngineAddon, ModelHandle } from '../engine/addon';
import type { NativeModelSpec } from '../engine/model-spec';
import type { DeviceOption } from '../engine/devices';
import { InvalidArgumentError } from '../system/errors';
import { option, say } from '../system/wording';
import type { Prompt } from './prompts';
import type { TextEncoder } from '../tokenisation/tokenised-texts';

/** What a run needs of a loaded model. */
export interface TrainableModel {
  addon: EngineAddon;
  handle: ModelHandle;
  /** What the options of the run do not say. */
  device: DeviceOption;
  memoryFraction: number | null;
  /** Name for messages. */
  id: string;
  /** What the model computes; part of a checkpoint's identity. */
  spec: NativeModelSpec;
  /** Numbers of what the engine makes of a text; undefined where nobody knows. */
  width?: number;
  tokeniser: TextEncoder;
  /** Most tokens of a text: the folder's limit, and what the position table allows. */
  maxInputLength: number;
  positions: number;
  /** A prompt by its name or as a text; of undefined, what is put before every text, in training as in `embed`. */
  promptOf: (asked: string | undefined) => Promise<Prompt>;
  /** What to tell who trains without a prompt; undefined where the model needs none. */
  unprompted?: string | undefined;
  /** What was assumed where the model's folder does not say. */
  notes?: readonly string[];
}

/** Most tokens of a text: the folder's limit, or what was asked for if the model has positions for it. */
export function inputLength(
  asked: number | null,
  model: Pick<TrainableModel, 'id' | 'maxInputLength' | 'positions'>,
): number {
  if (asked === null) return model.maxInputLength;
  if (asked <= model.positions) return asked;
  throw new InvalidArgumentError(
    'ERR_MAX_INPUT_LENGTH',
    say`${option('maxInputLength')} is ${asked}, but ${model.id} has positions for ${model.positions} tokens.`,
    { remedy: say`Ask for ${model.positions} or fewer.` },
  );
}
