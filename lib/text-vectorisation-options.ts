import {
  callback,
  choice,
  flag,
  integer,
  optional,
  signal,
  signalNames,
  text,
  type Misnomers,
  type OptionsOf,
} from './system/option-table';
import { say, words } from './system/wording';
import { deviceOption, memoryFractionOption } from './engine/devices';
import { prompt } from './evaluate/options';
import type { LibTorchEvent } from './libtorch/events';
import { hubTable } from './model/fetch/hub-options';
import type { ModelDownloadEvent } from './model/types';

/** What the fetching of a model, or of LibTorch, tells; told apart by `type`. */
export type LoadEvent = ModelDownloadEvent | LibTorchEvent | DeviceChosenEvent;

/** Where `embed` computes. */
export interface DeviceChosenEvent {
  /** Tells it from the other events. */
  type: 'device';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Which device, and why; where 'auto' found no GPU, what is missing. */
  message: string;
}

export const textVectorisationTable = {
  /**
   * Compute precision of `embed`. 'auto' is bf16 where the device multiplies it faster; 'int8' quantises weights and
   * activations of the encoder as it goes, is the fastest and the least exact (README), and needs a processor with AVX2;
   * 'tf32' and 'fp16' need a GPU. Training has an option of its own. Default 'fp32'.
   */
  precision: optional(choice('auto', 'fp32', 'bf16', 'int8', 'tf32', 'fp16'), 'fp32', {
    flag: '--precision <kind>',
    help: 'fp32, bf16 or int8; on a GPU also tf32 and fp16; auto is the faster of fp32 and bf16',
    aliases: ['dtype', 'torchDtype', 'quantization', 'quantize', 'quantise'],
  }),
  /**
   * Where `embed` computes, and `finetune` unless its own option says otherwise: 'auto' is the first NVIDIA GPU where one
   * can be used, else the processor, and an event of `onProgress` tells which and why; 'cuda', 'cuda:1' or 'cpu' is that
   * or an error. Default 'auto'.
   */
  device: optional(deviceOption, 'auto', { flag: '--device <name>', help: 'auto, cpu, cuda or a GPU as cuda:1' }),
  /**
   * Share of a GPU's memory that this process may take, above 0 to 1; it counts for the whole process and cannot be
   * changed once a GPU is used. Default: all of it.
   */
  memoryFraction: optional(memoryFractionOption, null, {
    flag: '--memory-fraction <share>',
    help: "share of the GPU's memory that may be taken",
    unset: 'all',
  }),
  /** Folder of the LibTorch to use. Default: VECTUNE_LIBTORCH, else what `npx vectune doctor` finds. */
  libtorch: optional(text(), undefined, {
    variable: 'VECTUNE_LIBTORCH',
    aliases: ['libtorchPath', 'libtorchFolder', 'libtorchDir'],
  }),
  /**
   * Consent to install LibTorch where none is found: about half a gigabyte is downloaded into vectune's cache at
   * first use. Default false: the first use then rejects with the command that installs it.
   */
  installLibTorch: optional(flag, undefined),
  ...hubTable,
  /** Branch, tag or commit of the hub repository. Default 'main'. */
  revision: optional(text(), undefined, {
    flag: '--revision <name>',
    help: 'branch, tag or commit of the hub repository',
    unset: 'main',
    aliases: ['branch', 'commit', 'tag'],
  }),
  /** Is told while the model (or, with `installLibTorch`, LibTorch) is fetched, and which device was chosen. */
  onProgress: optional(callback<(event: LoadEvent) => void>(), undefined, {
    aliases: ['callback', 'progress', 'onEvent', 'progressCallback'],
  }),
  /** Stops the fetching; what waits for the model then rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `TextVectorisation`: which model and LibTorch, and where from. */
export interface TextVectorisationOptions extends OptionsOf<typeof textVectorisationTable> {}

export const embedTable = {
  /**
   * What is put before every text: the name of one of the model's prompts (`info().prompts`), or a text of your own, which
   * has a space or a colon in it; '' for nothing. Default: what the model's folder puts before every text, mostly nothing.
   */
  prompt: optional(prompt, undefined, {
    flag: '--prompt <name>',
    help: "one of the model's prompts by its name, or a text that is put before every text",
    unset: "the model's default, mostly none",
    aliases: ['promptName', 'instruction'],
  }),
  /**
   * How many numbers of each vector to give, from the first on, for models trained so that these are enough (Matryoshka).
   * Where the model gives vectors of length 1, the shorter ones have length 1 too. Default: all, or the folder's `truncate_dim`.
   */
  dimensions: optional(integer(1), undefined, {
    flag: '--dimensions <n>',
    help: 'numbers of a vector, from the first on',
    unset: 'all',
    aliases: ['truncateDim', 'dim', 'outputDimension', 'outputDimensionality'],
  }),
  /** Most tokens of a text, special tokens included; the rest is cut off. Default: the model folder's limit. */
  maxInputLength: optional(integer(3), null, {
    flag: '--max-input-length <tokens>',
    help: 'most tokens of a text',
    unset: "the model's own limit",
    aliases: ['maxSeqLength', 'maxSequenceLength', 'maxLength', 'modelMaxLength', 'maxTokens'],
  }),
  /** Stops between pieces of some hundred texts; the promise rejects with an AbortError. */
  signal: optional(signal, undefined, signalNames),
};

/** Options of `embed`. */
export interface EmbedOptions extends OptionsOf<typeof embedTable> {}

/** Where an option may have been meant to go that another call was given. */
export const constructorOptions = { name: 'new TextVectorisation(model, options)', table: textVectorisationTable };

const ownLength = say`Leave it out: whether vectors have length 1 is the model's to say${words('; cosineSimilarity works with any', '')}.`;

/** What other programs call something that is no option of `embed`. */
export const embedMisnomers: Misnomers = {
  batchSize: say`Leave it out: embed divides the texts into batches by itself.`,
  normalizeEmbeddings: ownLength,
  normalize: ownLength,
  showProgressBar: say`Leave it out: embed prints nothing.`,
  convertToNumpy: say`Leave it out: vectors are Float32Arrays.`,
  convertToTensor: say`Leave it out: vectors are Float32Arrays.`,
};

/** What other programs call something that is no option of the constructor. */
export const constructorMisnomers: Misnomers = {
  model: say`The model is the first argument: new TextVectorisation(model, options).`,
  modelNameOrPath: say`The model is the first argument: new TextVectorisation(model, options).`,
  trustRemoteCode: say`Leave it out: vectune runs no code that comes with a model.`,
};
