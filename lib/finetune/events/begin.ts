import type { DeviceMemory } from '../../engine/addon';
import type { NativeLoss } from '../../engine/training';
import type { RunSettings, ToldSettings } from '../recipes/settings';

/** Where the run computes. */
export interface DeviceEvent {
  /** Tells it from the other events. */
  type: 'device';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'device';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Which device, and why; where 'auto' found no GPU, what is missing. */
  message: string;
}

/** Memory of the GPU after a part of the run, in bytes. On the processor there are no such events. */
export interface DeviceMemoryEvent extends DeviceMemory {
  /** Tells it from the other events. */
  type: 'device-memory';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'device-memory';
  /** What came before it. */
  after: 'finder' | 'epoch' | 'out-of-memory';
}

/** What is about to be trained. */
export interface SummaryEvent {
  /** Tells it from the other events. */
  type: 'summary';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'summary';
  /** Name of the model that training begins with: a hub id, or the folder's name. */
  model: string;
  /** Of vectune, LibTorch and Node.js, by these names. */
  versions: Readonly<Record<string, string>>;
  /** The recipe, and what it and the options came to. */
  recipe: RunSettings['recipe'];
  /** Everything that the recipe says, with what the options say instead. */
  settings: ToldSettings;
  /** The loss that is trained, and the options that it was given. */
  loss: NativeLoss;
  /** Numbers that the model is made of. */
  parameters: number;
  /** Those of them that are not frozen. */
  trainableParameters: number;
  /** Of the weights in fp32. */
  bytes: number;
  /** `bytes` in millions, with three decimals, e.g. '540.511'. */
  megabytes: string;
  /** Precision of the products; weights are fp32 in all. */
  precision: 'fp32' | 'bf16' | 'tf32' | 'fp16';
  /** 'cpu', or a GPU as 'cuda:0'. */
  device: string;
  /** Name of the GPU; null on the processor. */
  gpu: string | null;
  /** Threads that compute on the processor. */
  threads: number;
  /** Seed of the split, the order of rows and dropout. */
  seed: number;
  /** Bytes that the engine may hold; null where there is no limit. */
  memoryLimit: number | null;
}

/** One trial of the batch-size finder, or its end; `message` says it in a sentence. */
export interface FinderEvent {
  /** Tells it from the other events. */
  type: 'finder';
  /** @deprecated The same as `type`, which tells events apart; goes with the next version. */
  kind: 'finder';
  /** Of the trial; 'finished' is the search's end. */
  outcome: 'succeeded' | 'failed' | 'finished';
  /** The size that was tried; with 'finished', the one to train with. */
  batchSize: number;
  /** The size that comes next; null when the search is over. */
  next: number | null;
  /** The same in a sentence. */
  message: string;
}
